import assert from "node:assert/strict";
import test from "node:test";
import { readSession, writeSession } from "../../../../../apps/server/page/js/sessions.js";

const store = {
  prompts: [
    { id: "p0", kind: "text", name: "jazz", x: 0.1, y: 0.2, gel: 0 },
    { id: "p1", kind: "audio", name: "drums", x: 0.8, y: 0.2, gel: 1, file: new Blob([Uint8Array.of(1, 2, 255)], { type: "audio/wav" }) },
  ],
  listener: { x: 0.5, y: 0.5 },
  sampling: { seed: 3 },
  tracks: {},
};

test("a session file holds the arrangement, the clips and the saved session", async () => {
  const file = await writeSession(store, Uint8Array.of(9, 8, 7));
  const { layout, clips, session } = readSession(await file.text());
  assert.deepEqual(layout.prompts.map((prompt) => prompt.name), ["jazz", "drums"]);
  assert.deepEqual(layout.sampling, { seed: 3 });
  assert.deepEqual([...new Uint8Array(await clips.p1.arrayBuffer())], [1, 2, 255]);
  assert.equal(clips.p1.type, "audio/wav");
  assert.deepEqual([...session], [9, 8, 7]);
});

test("before the first chunk there is no saved session", async () => {
  const file = await writeSession(store, null);
  assert.equal(readSession(await file.text()).session, null);
});

test("another file is refused with a reason", () => {
  assert.throws(() => readSession("RIFF"), /not a soundstage page/);
  assert.throws(() => readSession("{}"), /not a soundstage page/);
  assert.throws(() => readSession('{"format": "soundstage page", "version": 9}'), /version 9/);
});
