import assert from "node:assert/strict";
import test from "node:test";
import { CATCH_UP_RATE, FAST_RATE, JitterPolicy, LEAST_S, MOST_S, SLOW_RATE } from "../../../../../apps/server/page/js/logic/jitter.js";

test("the target grows with every underrun, up to a bound", () => {
  const policy = new JitterPolicy();
  let before = policy.target_s;
  assert.equal(before, LEAST_S);
  policy.underrun();
  assert.ok(policy.target_s > before);
  for (let count = 0; count < 30; count += 1) {
    before = policy.target_s;
    policy.underrun();
    assert.ok(policy.target_s >= before);
  }
  assert.equal(policy.target_s, MOST_S);
  assert.equal(policy.underruns, 31);
});

test("the target shrinks slowly after a time without underruns, down to a bound", () => {
  const policy = new JitterPolicy(2);
  policy.played(10);
  assert.equal(policy.target_s, 2);
  for (let second = 0; second < 60; second += 1) policy.played(1);
  assert.ok(policy.target_s < 2 && policy.target_s > 1.3);
  for (let second = 0; second < 3600; second += 1) policy.played(1);
  assert.equal(policy.target_s, LEAST_S);
});

test("an underrun stops the shrinking", () => {
  const policy = new JitterPolicy(1);
  for (let second = 0; second < 25; second += 1) policy.played(1);
  policy.underrun();
  const { target_s } = policy;
  policy.played(5);
  assert.equal(policy.target_s, target_s);
});

test("playing starts with a chunk and the target buffered, or after the target's time", () => {
  const policy = new JitterPolicy(0.5);
  assert.equal(policy.ready(0, 2, 9), false);
  assert.equal(policy.ready(2, 2, 0.1), false);
  assert.equal(policy.ready(2, 2, 0.5), true);
  assert.equal(policy.ready(2.5, 2, 0), true);
});

test("a buffer above the target is played a little faster, then at the right speed", () => {
  const policy = new JitterPolicy();
  policy.arrived(3);
  assert.equal(policy.rate, 1, "not before it is calm");
  for (let second = 0; second < 30; second += 1) policy.played(1);
  policy.arrived(3);
  assert.equal(policy.rate, CATCH_UP_RATE);
  policy.arrived(policy.target_s + 0.1);
  assert.equal(policy.rate, CATCH_UP_RATE, "on until it is caught up");
  policy.arrived(policy.target_s);
  assert.equal(policy.rate, 1);
});

test("the target grows by what was missing, and shrinks faster the larger it is", () => {
  const policy = new JitterPolicy();
  policy.missed(2.5);
  assert.equal(policy.target_s, LEAST_S + 2.5);
  assert.equal(policy.busy, true);
  policy.missed(0.1);
  assert.equal(policy.target_s, LEAST_S + 2.5, "a shorter gap would have been filled");
  policy.missed(60);
  assert.equal(policy.target_s, MOST_S);
  for (let second = 0; second < 20; second += 1) policy.played(1);
  const before = policy.target_s;
  policy.played(1);
  assert.ok(before - policy.target_s > 0.035);
  for (let second = 0; second < 600; second += 1) policy.played(1);
  assert.equal(policy.busy, false);
});

test("a buffer far below the target is played a little slower until it is filled", () => {
  const policy = new JitterPolicy();
  policy.missed(1);
  policy.arrived(0.5);
  assert.equal(policy.rate, SLOW_RATE);
  policy.arrived(1.2);
  assert.equal(policy.rate, SLOW_RATE, "on until it is filled");
  policy.arrived(1.3);
  assert.equal(policy.rate, 1);
});

test("much above the target is played faster", () => {
  const policy = new JitterPolicy();
  for (let second = 0; second < 30; second += 1) policy.played(1);
  policy.arrived(LEAST_S + 3.5);
  assert.equal(policy.rate, FAST_RATE);
  policy.arrived(LEAST_S + 2);
  assert.equal(policy.rate, CATCH_UP_RATE);
});
