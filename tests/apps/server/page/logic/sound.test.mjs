import assert from "node:assert/strict";
import test from "node:test";
import { waitBefore } from "../../../../../apps/server/page/js/logic/backoff.js";
import { css, gel, mix, toRgb } from "../../../../../apps/server/page/js/logic/colour.js";
import { Ring } from "../../../../../apps/server/page/js/logic/ring.js";
import { encodeWav } from "../../../../../apps/server/page/js/logic/wav.js";

test("a ring returns written samples in order, also around its end", () => {
  const ring = new Ring(10, 2);
  let [written, read] = [0, 0];
  for (let turn = 0; turn < 50; turn += 1) {
    const frames = 1 + (turn % 4);
    const block = Float32Array.from({ length: 2 * frames }, (_, index) => 2 * written + index);
    assert.equal(ring.write(block), frames);
    written += frames;
    while (ring.frames > turn % 3) {
      assert.equal(ring.at(0, 0), 2 * read);
      assert.equal(ring.at(0, 1), 2 * read + 1);
      ring.drop(1);
      read += 1;
    }
  }
  assert.equal(written - read, ring.frames);
});

test("a full ring accepts what fits and returns how much", () => {
  const ring = new Ring(4, 1);
  assert.equal(ring.write(new Float32Array([1, 2, 3])), 3);
  assert.equal(ring.write(new Float32Array([4, 5, 6])), 1);
  assert.deepEqual([0, 1, 2, 3].map((frame) => ring.at(frame, 0)), [1, 2, 3, 4]);
  ring.clear();
  assert.equal(ring.frames, 0);
});

test("a WAV file has a header and every sample, clipped at full scale", () => {
  const view = new DataView(encodeWav([new Float32Array([0, 1]), new Float32Array([-1, 2, 0.5, -0.25])], 2, 48000));
  assert.equal(view.byteLength, 44 + 6 * 3);
  assert.equal(view.getUint32(40, true), 18);
  const sample = (index) => (view.getInt16(45 + 3 * index, true) << 8) | view.getUint8(44 + 3 * index);
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(sample), [0, 8388607, -8388607, 8388607, 4194304, -2097152]);
});

test("waits double up to a bound, are randomised, and respect the server's time", () => {
  assert.equal(waitBefore(0, 0.5), 0.5);
  assert.equal(waitBefore(1, 0.5), 1);
  assert.ok(waitBefore(30, 0.999) <= 25);
  assert.ok(waitBefore(2, 0) < waitBefore(2, 0.9));
  assert.equal(waitBefore(0, 0.5, 12), 12);
});

test("a mixture of one colour is that colour, and of none is grey", () => {
  assert.deepEqual(mix([gel(3)], [1]), gel(3));
  const [red, green, blue] = toRgb(mix([], []));
  assert.ok(Math.max(red, green, blue) - Math.min(red, green, blue) < 3);
  assert.match(css(gel(0), 0.5), /^rgb\(\d+ \d+ \d+ \/ 0.5\)$/);
});

test("OKLab's white and black are white and black", () => {
  assert.deepEqual(toRgb([1, 0, 0]), [255, 255, 255]);
  assert.deepEqual(toRgb([0, 0, 0]), [0, 0, 0]);
});

test("the first eight prompts have colours that differ", () => {
  const colours = new Set(Array.from({ length: 8 }, (_, index) => css(gel(index))));
  assert.equal(colours.size, 8);
});
