import assert from "node:assert/strict";
import test from "node:test";
import { freePlace, percents, weightsAt } from "../../../../../apps/server/page/js/logic/weights.js";

const corners = [{ x: 0, y: 0 }, { x: 1, y: 0 }, { x: 0, y: 1 }, { x: 1, y: 1 }];
const sum = (values) => values.reduce((total, value) => total + value, 0);

test("weights sum to one wherever the listener is", () => {
  for (let step = 0; step <= 20; step += 1) {
    const weights = weightsAt({ x: step / 20, y: (step * 7) % 1 }, corners);
    assert.ok(Math.abs(sum(weights) - 1) < 1e-12);
    assert.ok(weights.every((weight) => weight > 0));
  }
});

test("points at the same distance have the same weight", () => {
  for (const weight of weightsAt({ x: 0.5, y: 0.5 }, corners)) assert.ok(Math.abs(weight - 0.25) < 1e-12);
});

test("on a prompt its weight is nearly one, and closer is always more", () => {
  assert.ok(weightsAt(corners[2], corners)[2] > 0.999);
  let before = 0;
  for (let x = 0.05; x < 1; x += 0.05) {
    const weight = weightsAt({ x, y: 0 }, corners)[1];
    assert.ok(weight > before);
    before = weight;
  }
});

test("the order of prompts does not matter, and no prompts have no weights", () => {
  const place = { x: 0.2, y: 0.7 };
  assert.deepEqual(weightsAt(place, [...corners].reverse()).reverse().map((w) => w.toFixed(12)),
    weightsAt(place, corners).map((w) => w.toFixed(12)));
  assert.deepEqual(weightsAt(place, []), []);
});

test("per cents sum to 100 and differ from the shares by less than one", () => {
  const shares = weightsAt({ x: 0.31, y: 0.77 }, [...corners, { x: 0.5, y: 0.5 }, { x: 0.4, y: 0.4 }]);
  const shown = percents(shares);
  assert.equal(sum(shown), 100);
  shown.forEach((value, index) => assert.ok(Math.abs(value - 100 * shares[index]) < 1));
  assert.deepEqual(percents([1 / 3, 1 / 3, 1 / 3]), [34, 33, 33]);
  assert.deepEqual(percents([]), []);
});

test("a free position is inside the pad and away from every prompt", () => {
  const points = [];
  for (let count = 0; count < 8; count += 1) {
    const place = freePlace(points);
    assert.ok(place.x > 0 && place.x < 1 && place.y > 0 && place.y < 1);
    for (const point of points) assert.ok(Math.hypot(point.x - place.x, point.y - place.y) > 0.15);
    points.push(place);
  }
});
