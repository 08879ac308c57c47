import assert from "node:assert/strict";
import test from "node:test";
import { knobsOf } from "../../../../../apps/server/page/js/logic/knobs.js";

const controls = {
  texts: { dtype: "utf8", kind: "text prompt", unit: "" },
  title: { dtype: "utf8", kind: "title", unit: "", default: "a" },
  seed: { dtype: "int64", kind: "seed", unit: "", default: 0, minimum: 0, label: "Seed", help: "Same seed, same music", step: 1 },
  temperature: { dtype: "float32", kind: "temperature", unit: "", default: 1.1, minimum: 0, maximum: 10, label: "Temperature", help: "Daring", usual: [0, 3], step: 0.05 },
  swing: { dtype: "float32", kind: "swing", unit: "[0, 1]", default: 0.25, minimum: 0, maximum: 1, label: "Swing", help: "", usual: [0, 1], step: 0.01 },
  pitch: { dtype: "float32", kind: "pitch", unit: "semitones", default: 0, label: "Pitch", help: "" },
};

test("a pipeline offers every number it has: sliders first, then numbers without a usual range", () => {
  const knobs = knobsOf(controls);
  assert.deepEqual(knobs.map((knob) => knob.name), ["temperature", "swing", "seed", "pitch"]);
  assert.deepEqual(knobs.map((knob) => knob.value), [1.1, 0.25, 0, 0]);
  assert.deepEqual(knobs.map((knob) => knob.slides), [true, true, false, false]);
  assert.deepEqual(knobs.map((knob) => knob.dice), [false, false, true, false]);
});

test("a knob has the words, the range and the step that the server sends", () => {
  const [temperature, swing, seed, pitch] = knobsOf(controls);
  const { label, title, least, most, step } = temperature;
  assert.deepEqual({ label, title, least, most, step }, { label: "Temperature", title: "Daring", least: 0, most: 3, step: 0.05 });
  assert.deepEqual([swing.label, swing.least, swing.most, swing.step], ["Swing", 0, 1, 0.01]);
  assert.deepEqual([seed.least, seed.most, seed.step], [0, Number.MAX_SAFE_INTEGER, 1]);
  assert.ok(pitch.least < -1e9 && pitch.most > 1e9);
  assert.equal(pitch.step, "any");
});

test("a pipeline without numbers has no knobs", () => {
  assert.deepEqual(knobsOf({ texts: controls.texts, title: controls.title }), []);
});
