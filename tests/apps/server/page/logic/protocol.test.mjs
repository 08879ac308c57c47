import assert from "node:assert/strict";
import test from "node:test";
import { changesOf, controlsOf, isStyle, playedIn, readChunk } from "../../../../../apps/server/page/js/logic/protocol.js";

function frame(chunk, flags, samples) {
  const view = new DataView(new ArrayBuffer(32 + 4 * samples.length));
  [0x6b636873, 0, chunk, 2, 48000, 2, samples.length / 2, flags].forEach((word, at) => view.setUint32(4 * at, word, true));
  samples.forEach((sample, at) => view.setFloat32(32 + 4 * at, sample, true));
  return view.buffer;
}

test("a binary frame has an index, samples and whether it replaces another", () => {
  const samples = new Float32Array([0.5, -0.25]);
  assert.deepEqual(readChunk(frame(7, 1, samples)), { chunk: 7, again: true, samples });
  assert.equal(readChunk(frame(7, 2, samples)).again, false, "other flags mean something else");
});

test("live input is shin, int16, rate, one channel, and samples", () => {
  const message = playedIn(Int16Array.of(1, -2), 44100);
  assert.equal(new TextDecoder().decode(message.slice(0, 4)), "shin");
  const view = new DataView(message);
  assert.deepEqual([4, 8, 12].map((at) => view.getUint32(at, true)), [1, 44100, 1]);
  assert.deepEqual([16, 18].map((at) => view.getInt16(at, true)), [1, -2]);
  assert.equal(message.byteLength, 20);
});

test("only changed controls are sent, and only styles are made again", () => {
  const present = { texts: ["a"], text_weights: [1], seed: 3 };
  assert.deepEqual(changesOf({ texts: ["a"], text_weights: [0.5], seed: 3 }, present), { text_weights: [0.5] });
  assert.deepEqual(changesOf(present, present), {});
  assert.equal(isStyle({ text_weights: [0.5] }), true);
  assert.equal(isStyle({ seed: 4 }), false);
});

test("an arrangement becomes texts and clips with shares, and sampling controls", () => {
  const arranged = {
    prompts: [
      { kind: "text", name: "pads", x: 0, y: 0 },
      { kind: "audio", name: "piano", upload: "u1", x: 1, y: 0 },
      { kind: "audio", name: "late", silent: true, x: 0.5, y: 0 },
    ],
    listener: { x: 0.5, y: 0 },
    sampling: { seed: 3 },
  };
  const controls = { texts: ["pads"], text_weights: [0.5], clips: ["u1"], clip_weights: [0.5], seed: 3 };
  assert.deepEqual(controlsOf(arranged), controls);
});
