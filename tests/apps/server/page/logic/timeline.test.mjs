import assert from "node:assert/strict";
import test from "node:test";
import {
  CLOSEST_S, length_s, moveKey, placeAt, putKey, removeKey, simplify,
} from "../../../../../apps/server/page/js/logic/timeline.js";

const track = [{ t_s: 1, x: 0, y: 0 }, { t_s: 3, x: 1, y: 0.5 }, { t_s: 4, x: 1, y: 1 }];
const times = (keys) => keys.map((key) => key.t_s);

test("a point moves straight between keyframes and rests outside of them", () => {
  assert.deepEqual(placeAt(track, 2), { x: 0.5, y: 0.25 });
  assert.deepEqual(placeAt(track, 3), { x: 1, y: 0.5 });
  assert.deepEqual(placeAt(track, 0), { x: 0, y: 0 });
  assert.deepEqual(placeAt(track, 99), { x: 1, y: 1 });
  assert.equal(placeAt([], 1), null);
});

test("a morph is as long as its last keyframe of any track", () => {
  assert.equal(length_s({ listener: track, p0: [{ t_s: 7, x: 0, y: 0 }], p1: [] }), 7);
  assert.equal(length_s({}), 0);
});

test("a simplified gesture has fewer keyframes and the same movement", () => {
  const drawn = Array.from({ length: 200 }, (_, step) => {
    const t_s = step / 30;
    return { t_s, x: 0.5 + 0.4 * Math.sin(t_s), y: 0.5 + 0.2 * Math.cos(2 * t_s) };
  });
  const kept = simplify(drawn);
  assert.ok(kept.length < 40, `${kept.length} keyframes`);
  for (const key of drawn) {
    const place = placeAt(kept, key.t_s);
    assert.ok(Math.hypot(place.x - key.x, place.y - key.y) <= 0.016);
  }
});

test("a straight gesture keeps only its ends", () => {
  const drawn = Array.from({ length: 50 }, (_, step) => ({ t_s: step, x: step / 50, y: step / 50 }));
  assert.deepEqual(times(simplify(drawn)), [0, 49]);
});

test("a moved keyframe stays between its neighbours and the track in order", () => {
  assert.deepEqual(times(moveKey(track, 1, 2)), [1, 2, 4]);
  assert.deepEqual(times(moveKey(track, 1, 9)), [1, 4 - CLOSEST_S, 4]);
  assert.deepEqual(times(moveKey(track, 0, -5)), [0, 3, 4]);
  assert.deepEqual(times(moveKey(track, 2, 60)), [1, 3, 60]);
  assert.deepEqual(times(track), [1, 3, 4], "the track itself is not changed");
});

test("a keyframe is removed, inserted in order, or replaces one at its time", () => {
  assert.deepEqual(times(removeKey(track, 1)), [1, 4]);
  assert.deepEqual(times(putKey(track, { t_s: 2, x: 0, y: 0 })), [1, 2, 3, 4]);
  const replaced = putKey(track, { t_s: 3.01, x: 0.2, y: 0.2 });
  assert.deepEqual(times(replaced), [1, 3.01, 4]);
});
