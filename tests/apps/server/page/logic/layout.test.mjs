import assert from "node:assert/strict";
import test from "node:test";
import { fromBase64, readLayout, toBase64, toLayout } from "../../../../../apps/server/page/js/logic/layout.js";

const page = {
  prompts: [
    { id: "p0", kind: "text", name: "jazz", x: 0.2, y: 0.3, gel: 0, state: "not kept" },
    { id: "p4", kind: "audio", name: "clip.wav", x: 0.9, y: 0.1, gel: 3 },
  ],
  listener: { x: 0.5, y: 0.5 },
  sampling: { temperature: 1.1, seed: 7 },
  tracks: { listener: [{ t_s: 0, x: 0, y: 0 }, { t_s: 2, x: 1, y: 1 }] },
};

test("an arrangement survives a round trip through text", () => {
  const layout = toLayout(page);
  assert.deepEqual(readLayout(JSON.parse(JSON.stringify(layout))), layout);
  assert.equal("state" in layout.prompts[0], false);
});

test("data without an arrangement is refused with a reason", () => {
  for (const wrong of [null, 3, {}, { prompts: [{}] }, { ...page, listener: { x: NaN, y: 0 } },
    { prompts: [{ kind: "text", name: "a", x: "0", y: 0 }] },
    { ...page, tracks: { listener: [{ t_s: -1, x: 0, y: 0 }] } }]) {
    assert.throws(() => readLayout(wrong), Error);
  }
});

test("points outside the pad move to its edge, and keyframes are sorted", () => {
  const layout = readLayout({
    ...page,
    listener: { x: 7, y: -1 },
    tracks: { p0: [{ t_s: 2, x: 0, y: 0 }, { t_s: 1, x: 1, y: 1 }] },
  });
  assert.deepEqual(layout.listener, { x: 1, y: 0 });
  assert.deepEqual(layout.tracks.p0.map((key) => key.t_s), [1, 2]);
});

test("bytes survive base64, also many of them", () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 31) % 256);
  assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
});
