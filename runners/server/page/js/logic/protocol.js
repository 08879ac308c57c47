/** Messages of the soundstage protocol as this page uses them (docs/protocol.md). */

const HEADER_BYTES = 32;
const MAGIC = 0x6b636873; // "shck"
const INT16 = 1;

/**
 * Reads a binary frame.
 *
 * @param {ArrayBuffer} frame header and samples.
 * @returns {{chunk: number, samples: Float32Array}} samples interleaved, 1.0 = full scale.
 */
export function readChunk(frame) {
  const view = new DataView(frame);
  const samples = new Float32Array(frame.slice(HEADER_BYTES));
  return { chunk: view.getUint32(8, true), samples };
}

/**
 * The prompts of a page as controls of the pipeline.
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
