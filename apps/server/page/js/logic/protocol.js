/** Messages of the soundstage protocol as this page uses them (docs/protocol.md). */

import { sharesAt } from "./weights.js";

const HEADER_BYTES = 32;
const MAGIC = 0x6b636873; // "shck"
const AGAIN = 1;
const PLAYED_IN_MAGIC = 0x6e696873; // "shin"
const PLAYED_IN_HEADER_BYTES = 16;
const INT16 = 1;

/**
 * Reads a binary frame.
 *
 * @param {ArrayBuffer} frame header and samples.
 * @returns {{chunk: number, again: boolean, samples: Float32Array}} again: it replaces the
 *     chunk of its index; samples: interleaved, 1.0 = full scale.
 */
export function readChunk(frame) {
  const view = new DataView(frame);
  const samples = new Float32Array(frame.slice(HEADER_BYTES));
  const again = Boolean(view.getUint32(28, true) & AGAIN);
  return { chunk: view.getUint32(8, true), again, samples };
}

/**
 * Returns a binary message of live input.
 *
 * @param {Int16Array} samples of one channel.
 * @param {number} rate_hz their sample rate.
 */
export function playedIn(samples, rate_hz) {
  const message = new ArrayBuffer(PLAYED_IN_HEADER_BYTES + samples.byteLength);
  const view = new DataView(message);
  [PLAYED_IN_MAGIC, INT16, rate_hz, 1].forEach((word, at) => view.setUint32(4 * at, word, true));
  samples.forEach((sample, at) => view.setInt16(PLAYED_IN_HEADER_BYTES + 2 * at, sample, true));
  return message;
}

/**
 * Returns the controls of `wanted` that differ from those of `present`.
 *
 * @param {Record<string, unknown>} wanted
 * @param {Record<string, unknown>} present
 */
export function changesOf(wanted, present) {
  const differs = ([name, value]) => JSON.stringify(value) !== JSON.stringify(present[name]);
  return Object.fromEntries(Object.entries(wanted).filter(differs));
}

/** Whether a change is one of style, for which chunks are worth making again. */
export function isStyle(changes) {
  return ["texts", "text_weights", "clips", "clip_weights"].some((name) => name in changes);
}

/**
 * Returns an arrangement as controls of the pipeline.
 *
 * @param {{prompts: object[], listener: {x: number, y: number}, sampling: Record<string, number>}}
 *     arranged see Store.
 */
export function controlsOf({ prompts, listener, sampling }) {
  return { ...promptControls(prompts, sharesAt(listener, prompts)), ...sampling };
}

/**
 * Returns the prompts of a page as controls of the pipeline.
 *
 * @param {{kind: string, name: string, upload?: string}[]} prompts
 * @param {number[]} shares one a prompt.
 */
export function promptControls(prompts, shares) {
  const round = (share) => Math.round(share * 1e4) / 1e4;
  const of = (kind) => prompts.map((prompt, index) => [prompt, round(shares[index])]).filter(([prompt]) => prompt.kind === kind);
  const texts = of("text");
  const clips = of("audio").filter(([prompt]) => prompt.upload);
  return {
    texts: texts.map(([prompt]) => prompt.name),
    text_weights: texts.map(([, share]) => share),
    clips: clips.map(([prompt]) => prompt.upload),
    clip_weights: clips.map(([, share]) => share),
  };
}

/**
 * Returns the address of an endless stream with the present controls, for any player.
 *
 * @param {{texts: string[], text_weights: number[]}} controls others than numbers and these are
 *     left out, such as audio prompts.
 * @param {string | null} token the server's, if it needs one.
 */
export function streamAddress({ texts, text_weights, clips: _, clip_weights: __, ...numbers }, token) {
  const query = new URLSearchParams(texts.map((text, at) => ["prompt", `${text}:${text_weights[at]}`]));
  for (const [name, value] of Object.entries(numbers)) query.append(name, value);
  if (token) query.append("token", token);
  return `stream.mp3?${query}`;
}
