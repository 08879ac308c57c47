import assert from "node:assert/strict";
import { test } from "node:test";

import { isBlack, moved, pitchOf, readMidi } from "../../../../../apps/server/page/js/logic/keys.js";
import { Notes } from "../../../../../apps/server/page/js/notes.js";

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

test("letters are a piano", () => {
  assert.deepEqual(["a", "w", "s", "k", "p"].map((letter) => pitchOf(letter, 60)), [60, 61, 62, 72, 75]);
  assert.equal(pitchOf("q", 60), null);
  assert.equal(pitchOf("Enter", 60), null);
  assert.equal(pitchOf("", 60), null);
});

test("the octave moves within MIDI's pitches", () => {
  assert.equal(moved(60, 1), 72);
  assert.equal(moved(0, -1), 0);
  assert.equal(moved(108, 1), 108);
});

test("keys are black where a piano's are", () => {
  assert.deepEqual([60, 61, 62, 63, 64, 65, 66].map(isBlack), [false, true, false, true, false, false, true]);
});

test("MIDI messages are read on every channel", () => {
  assert.deepEqual(readMidi([0x93, 60, 100]), { act: "press", pitch: 60 });
  assert.deepEqual(readMidi([0x90, 60, 0]), { act: "release", pitch: 60 });
  assert.deepEqual(readMidi([0x8f, 60, 64]), { act: "release", pitch: 60 });
  assert.deepEqual(readMidi([0xb0, 64, 127]), { act: "pedal", down: true });
  assert.deepEqual(readMidi([0xb0, 123, 0]), { act: "panic" });
  assert.equal(readMidi([0xf8]), null);
  assert.equal(readMidi([]), null);
});

test("held notes are sent in order, and a short one lasts a chunk", async () => {
  const sent = [];
  const notes = new Notes((pitches) => sent.push(pitches));
  notes.chunk_s = 0.02;
  notes.press(64);
  notes.press(60);
  notes.release(64);
  assert.deepEqual(sent, [[64], [60, 64]]);
  await wait(60);
  assert.deepEqual(sent.at(-1), [60]);
  notes.release(60);
  assert.deepEqual(sent.at(-1), []);
});

test("the pedal sustains, and panic ends everything", () => {
  const sent = [];
  const notes = new Notes((pitches) => sent.push(pitches));
  notes.chunk_s = 0;
  notes.pedal(true);
  notes.press(60);
  notes.release(60);
  assert.deepEqual(sent.at(-1), [60]);
  notes.pedal(false);
  assert.deepEqual(sent.at(-1), []);
  notes.press(61);
  notes.panic();
  assert.deepEqual(sent.at(-1), []);
  notes.release(61);
  assert.deepEqual(sent.at(-1), []);
});
