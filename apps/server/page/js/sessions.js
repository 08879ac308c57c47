/** A page as one file: the arrangement, the clips, and the server's saved session. */

import { FORMAT, VERSION, fromBase64, readLayout, toBase64, toLayout } from "./logic/layout.js";

/**
 * Writes a page to a file.
 *
 * @param {import("./store.js").Store} store
 * @param {Uint8Array | null} session the server's saved session; null before the first chunk.
 * @returns {Promise<Blob>}
 */
export async function writeSession(store, session) {
  const clips = {};
  for (const { id, file } of store.prompts) {
    if (file) clips[id] = { type: file.type, data: toBase64(new Uint8Array(await file.arrayBuffer())) };
  }
  const page = {
    format: FORMAT,
    version: VERSION,
    layout: toLayout(store),
    clips,
    session: session && toBase64(session),
  };
  return new Blob([JSON.stringify(page)], { type: "application/json" });
}

/**
 * Reads a file of `writeSession`.
 *
 * @param {string} text the content of the file.
 * @returns {{layout: object, clips: Record<string, Blob>, session: Uint8Array | null}}
 * @throws {Error} the file is not one of `writeSession`.
 */
export function readSession(text) {
  let page;
  try {
    page = JSON.parse(text);
  } catch {
    throw new Error("it is not a soundstage page");
  }
  if (page?.format !== FORMAT) throw new Error("it is not a soundstage page");
  if (page.version !== VERSION) throw new Error(`it is of version ${page.version}, this page reads ${VERSION}`);
  const clips = Object.entries(page.clips ?? {}).map(([id, { type, data }]) => [id, new Blob([fromBase64(data)], { type })]);
  return {
    layout: readLayout(page.layout),
    clips: Object.fromEntries(clips),
    session: page.session ? fromBase64(page.session) : null,
  };
}

/** Offers a file for download. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
