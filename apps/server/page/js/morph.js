/** Records how points are moved, and replays their movements. */

import { length_s, placeAt, putKey, simplify } from "./logic/timeline.js";

const EVERY_MS = 33;

export class Morph {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    this.mode = "rest";
    this.loop = true;
    this.at_s = 0;
    this.held = false;
    this.takes = {};
    this.shown = new Map();
  }

  get length_s() {
    return length_s(this.store.tracks);
  }

  /** Starts or stops recording; points that are not moved replay their tracks meanwhile. */
  record() {
    if (this.mode === "record") return this.rest();
    this.rest();
    this.at_s = 0;
    this.takes = {};
    this.remember();
    return this.run("record");
  }

  /** Starts or stops replaying. */
  replay() {
    if (this.mode === "replay") return this.rest();
    this.rest();
    if (!this.length_s) return null;
    if (this.at_s >= this.length_s) this.at_s = 0;
    this.remember();
    return this.run("replay");
  }

  run(mode) {
    this.mode = mode;
    this.before = performance.now();
    this.timer = setInterval(() => this.tick(), EVERY_MS);
    this.store.changed();
  }

  rest() {
    clearInterval(this.timer);
    if (this.mode === "record") {
      for (const [id, take] of Object.entries(this.takes)) {
        if (this.store.point(id)) this.store.tracks[id] = simplify(take);
      }
      this.at_s = 0;
      // From here on the tracks move the points.
      this.takes = {};
    }
    this.mode = "rest";
    this.store.changed();
  }

  tick() {
    const now = performance.now();
    if (!this.held) this.at_s += (now - this.before) / 1000;
    this.before = now;
    if (this.mode === "record") this.take();
    else if (this.at_s >= this.length_s) this.turn();
    this.show();
  }

  turn() {
    if (this.loop && this.length_s > 0) this.at_s %= this.length_s;
    else {
      this.at_s = this.length_s;
      this.rest();
    }
  }

  /** Records the points that were moved by hand since the last tick. */
  take() {
    for (const id of this.ids()) {
      const { x, y } = this.store.point(id);
      const shown = this.shown.get(id);
      const take = this.takes[id];
      if (!take && shown && shown.x === x && shown.y === y) continue;
      if (!take && shown) this.takes[id] = [{ t_s: 0, x: shown.x, y: shown.y }];
      (this.takes[id] ??= []).push({ t_s: this.at_s, x, y });
    }
  }

  /** Moves every point along its track, but for those that are dragged. */
  show() {
    for (const [id, track] of Object.entries(this.store.tracks)) {
      const place = placeAt(track, this.at_s);
      if (!place || this.takes[id] || this.isHeld(id)) continue;
      this.store.move(id, place.x, place.y);
    }
    this.remember();
    this.store.changed();
  }

  /** Whether a point is dragged. */
  isHeld(id) {
    return Boolean(document.querySelector(`.point.held[data-id="${id}"]`));
  }

  remember() {
    this.shown = new Map(this.ids().map((id) => [id, { ...this.store.point(id) }]));
  }

  ids() {
    return ["listener", ...this.store.prompts.map((prompt) => prompt.id)];
  }

  /** Goes to a time. */
  seek(t_s) {
    this.at_s = Math.max(0, t_s);
    this.takes = {};
    this.show();
  }

  /** Adds a keyframe with a point's position at the present time. */
  key(id) {
    const point = this.store.point(id) ?? this.store.listener;
    const name = point === this.store.listener ? "listener" : id;
    const key = { t_s: this.at_s, x: point.x, y: point.y };
    this.store.tracks[name] = putKey(this.store.tracks[name] ?? [], key);
    this.store.changed();
  }

  clear() {
    this.rest();
    this.store.tracks = {};
    this.at_s = 0;
    this.store.changed();
  }
}
