import assert from "node:assert/strict";
import test from "node:test";
import { knobsOf } from "../../../../../apps/server/page/js/logic/knobs.js";

const controls = {
  temperature: { default: 1.1, minimum: 0, maximum: 10 },
  top_k: { default: 40, minimum: 0, maximum: null },
  guidance: { default: 5, minimum: 0, maximum: 4 },
  texts: { default: ["a"] },
};

test("a pipeline offers the knobs it has, in one order, with its defaults", () => {
  const knobs = knobsOf(controls);
  assert.deepEqual(knobs.map((knob) => knob.name), ["temperature", "top_k", "guidance"]);
  assert.deepEqual(knobs.map((knob) => knob.value), [1.1, 40, 5]);
});

test("a knob never goes past what the pipeline allows, and always to its default", () => {
  const [temperature, , guidance] = knobsOf(controls);
  assert.ok(temperature.most <= 10 && temperature.least >= 0);
  assert.equal(guidance.most, 4);
  assert.equal(knobsOf({ top_k: { default: 900, minimum: 0 } })[0].most, 900);
});
