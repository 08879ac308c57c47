/** The arrangement of a page as plain data, for the browser's storage and for files. */

import { clamp } from "./weights.js";

export const FORMAT = "soundstage page";
export const VERSION = 1;

/**
 * The arrangement of a page.
 *
 * @param {import("../store.js").Store} store
 */
export function toLayout({ prompts, listener, sampling, tracks }) {
  return {
    prompts: prompts.map(({ id, kind, name, x, y, gel }) => ({ id, kind, name, x, y, gel })),
    listener: { ...listener },
    sampling: { ...sampling },
    tracks,
  };
}

/**
 * Reads an arrangement from a file or the browser's storage.
 *
 * @param {unknown} data anything.
 * @returns {object} a layout whose every field is as `toLayout` makes it.
 * @throws {Error} the data is not an arrangement.
 */
export function readLayout(data) {
  if (typeof data !== "object" || !data || !Array.isArray(data.prompts)) throw new Error("the file holds no prompts");
  const point = ({ x, y }) => {
    if (!Number.isFinite(x) || !Number.isFinite(y)) throw new Error("a point has no position");
    return { x: clamp(x), y: clamp(y) };
  };
  const prompts = data.prompts.map((prompt, index) => {
    if (typeof prompt?.name !== "string" || !["text", "audio"].includes(prompt.kind)) {
      throw new Error(`prompt ${index + 1} is neither text nor audio`);
    }
    const gel = Number.isInteger(prompt.gel) && prompt.gel >= 0 ? prompt.gel : index;
    return { id: String(prompt.id ?? `p${index}`), kind: prompt.kind, name: prompt.name, gel, ...point(prompt) };
  });
  return { prompts, listener: point(data.listener ?? {}), sampling: numbers(data.sampling), tracks: readTracks(data.tracks, point) };
}

function numbers(sampling) {
  return Object.fromEntries(Object.entries(sampling ?? {}).filter(([, value]) => Number.isFinite(value)));
}

function readTracks(tracks, point) {
  return Object.fromEntries(
    Object.entries(tracks ?? {}).map(([id, track]) => {
      const keys = track.map((key) => {
        if (!(key.t_s >= 0)) throw new Error("a keyframe has no time");
        return { t_s: key.t_s, ...point(key) };
      });
      return [id, keys.sort((a, b) => a.t_s - b.t_s)];
    }),
  );
}

/** Bytes as base64. */
export function toBase64(bytes) {
  let letters = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    letters += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(letters);
}

/** Base64 as bytes. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
