import assert from "node:assert/strict";
import test from "node:test";
import { ChunkRing } from "../../../../../apps/server/page/js/logic/chunks.js";

const SIZE = 8;
const flat = (value, frames = SIZE) => new Float32Array(frames).fill(value);
const heard = (ring, frames = ring.frames) => {
  const samples = [];
  for (let frame = 0; frame < frames; frame += 1) {
    samples.push(ring.at(0, 0));
    ring.drop(1);
  }
  return samples;
};

function filled(played = 0) {
  const ring = new ChunkRing(40, 1);
  // Once around, so that positions in the music and in the ring differ.
  ring.append(0, flat(9, 30));
  ring.drop(30);
  for (const chunk of [1, 2, 3]) ring.append(chunk, flat(chunk));
  heard(ring, played);
  return ring;
}

test("a chunk that is not played yet is replaced whole, and no other is", () => {
  const ring = filled(3);
  assert.deepEqual(ring.replace(2, flat(7), 2, 4), { written: SIZE, from: 0 });
  assert.deepEqual(heard(ring), [...flat(1, 5), ...flat(7), ...flat(3)]);
});

test("a chunk that sounds is cross-faded to the new one, just ahead of the played frame", () => {
  const ring = filled(1);
  assert.deepEqual(ring.replace(1, flat(6), 2, 4), { written: 5, from: 3 });
  assert.deepEqual(heard(ring, 7), [1, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(heard(ring), [...flat(2), ...flat(3)]);
});

test("the new chunk goes on at the position of the old one", () => {
  const ring = filled(4);
  ring.replace(1, Float32Array.from({ length: SIZE }, (_, frame) => 100 + frame), 0, 0);
  assert.deepEqual(heard(ring, 4), [104, 105, 106, 107]);
});

test("replacing a chunk by itself changes no bit", () => {
  const ring = filled(0);
  const noise = Float32Array.from({ length: SIZE }, (_, frame) => Math.sin(frame * 1.7) / 3);
  ring.replace(1, noise, 0, 0);
  ring.replace(1, noise, 1, 5);
  assert.deepEqual(heard(ring, SIZE), [...noise]);
});

test("a chunk that is past, or nearly, is not replaced", () => {
  const ring = filled(7);
  assert.equal(ring.replace(1, flat(7), 1, 4), null);
  assert.equal(ring.replace(0, flat(7), 1, 4), null);
  assert.deepEqual(heard(ring), [1, ...flat(2), ...flat(3)]);
  assert.equal(ring.replace(3, flat(7), 1, 4), null);
  assert.equal(ring.frames, 0);
});

test("a chunk later than all others is appended, also as a replacement", () => {
  const ring = filled(20);
  assert.deepEqual(ring.replace(4, flat(4), 2, 4), { written: SIZE, from: 0 });
  assert.deepEqual(heard(ring), [...flat(3, 4), ...flat(4)]);
});

test("after a reset the earlier indices are unknown", () => {
  const ring = filled();
  ring.forget();
  assert.equal(ring.chunk, null);
  ring.append(0, flat(5));
  assert.equal(ring.replace(2, flat(7), 0, 0).from, 0, "not the old chunk of this index");
  assert.deepEqual(heard(ring), [...flat(1), ...flat(2), ...flat(3), ...flat(5), ...flat(7)]);
});

test("the ring knows which chunk sounds and keeps channels interleaved", () => {
  const ring = new ChunkRing(16, 2);
  ring.append(4, Float32Array.from({ length: 8 }, (_, at) => at));
  assert.equal(ring.chunk, 4);
  ring.drop(1);
  ring.replace(4, Float32Array.from({ length: 8 }, (_, at) => 10 + at), 1, 0);
  assert.deepEqual([ring.at(0, 0), ring.at(0, 1), ring.at(1, 0), ring.at(1, 1)], [2, 3, 14, 15]);
  ring.drop(3);
  assert.equal(ring.chunk, null);
});
