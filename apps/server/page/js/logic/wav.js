/** Recorded music as a WAV file: 24-bit PCM, which every player and editor opens. */

const BYTES = 3;
const FULL_SCALE = 2 ** 23 - 1;

/**
 * @param {Float32Array[]} blocks interleaved samples, 1.0 = full scale; louder is clipped.
 * @param {number} channels samples of one frame.
 * @param {number} rate_hz frames a second.
 * @returns {ArrayBuffer} the file.
 */
export function encodeWav(blocks, channels, rate_hz) {
  const samples = blocks.reduce((total, block) => total + block.length, 0);
  const size = samples * BYTES;
  const view = new DataView(new ArrayBuffer(44 + size + (size % 2)));
  writeHeader(view, size, channels, rate_hz);
  let at = 44;
  for (const block of blocks) {
    for (const sample of block) {
      const value = Math.round(Math.min(1, Math.max(-1, sample)) * FULL_SCALE);
      view.setUint8(at, value & 255);
      view.setInt16(at + 1, value >> 8, true);
      at += BYTES;
    }
  }
  return view.buffer;
}

function writeHeader(view, size, channels, rate_hz) {
  const text = (at, letters) =>
    [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + size + (size % 2), true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate_hz, true);
  view.setUint32(28, rate_hz * channels * BYTES, true);
  view.setUint16(32, channels * BYTES, true);
  view.setUint16(34, 8 * BYTES, true);
  text(36, "data");
  view.setUint32(40, size, true);
}
