/** The morph as a lane: shares over time as a stream, a row of keyframes for each moved point. */

import { css, gel } from "../logic/colour.js";
import { moveKey, placeAt, removeKey } from "../logic/timeline.js";
import { sharesAt } from "../logic/weights.js";
import { sharp } from "./canvas.js";

const SHORTEST_S = 8;
const STREAM_PX = 46;
const ROW_PX = 22;
const [STEP_S, STRIDE_S] = [0.1, 1];

export class Lane {
  /**
   * @param {HTMLElement} lane
   * @param {import("../store.js").Store} store
   * @param {import("../morph.js").Morph} morph
   */
  constructor(lane, store, morph) {
    this.lane = lane;
    this.store = store;
    this.morph = morph;
    this.keys = lane.querySelector("#keys");
    this.canvas = lane.querySelector("canvas");
    this.drawn = "";
    // The one keyframe that Tab reaches; up and down arrows go from there to the others.
    this.current = 0;
    lane.addEventListener("pointerdown", (event) => this.press(event));
    this.keys.addEventListener("focusin", (event) => this.choose(event.target));
    this.keys.addEventListener("keydown", (event) => this.typed(event));
    new ResizeObserver(() => this.paint()).observe(lane);
  }

  /** The names of the points that move. */
  get rows() {
    const order = ["listener", ...this.store.prompts.map((prompt) => prompt.id)];
    return order.filter((id) => this.store.tracks[id]?.length);
  }

  get span_s() {
    const present = this.morph.mode === "record" ? this.morph.at_s : 0;
    return Math.max(SHORTEST_S, this.morph.length_s, present) * 1.04;
  }

  /** Updates lane and playhead from the store. */
  show(dark) {
    this.dark = dark;
    const rows = this.rows;
    document.getElementById("lane-empty").hidden = rows.length > 0 || this.morph.mode === "record";
    document.getElementById("playhead").style.left = `${(100 * this.morph.at_s) / this.span_s}%`;
    document.getElementById("playhead").hidden = !rows.length && this.morph.mode !== "record";
    const prompts = this.store.prompts.map(({ id, name, gel: hue }) => [id, name, hue]);
    const resting = this.store.prompts.filter(({ id }) => !this.store.tracks[id]);
    const state = JSON.stringify([rows, this.store.tracks, this.span_s, prompts, dark, resting]);
    if (state === this.drawn) return;
    this.drawn = state;
    this.lane.style.setProperty("--lane-height", `${Math.max(88, STREAM_PX + ROW_PX * rows.length + 8)}px`);
    this.showKeys(rows);
    this.paint();
  }

  showKeys(rows) {
    const wanted = rows.flatMap((id, row) => this.store.tracks[id].map((key, index) => ({ id, row, index, key })));
    while (this.keys.children.length > wanted.length) this.keys.lastChild.remove();
    wanted.forEach(({ id, row, index, key }, order) => {
      const button = this.keys.children[order] ?? this.keys.appendChild(document.createElement("button"));
      const prompt = this.store.prompts.find((other) => other.id === id);
      const name = prompt?.name ?? "Listener";
      Object.assign(button, { type: "button", className: "key" });
      Object.assign(button.dataset, { id, index });
      button.setAttribute("aria-label", `${name} at ${key.t_s.toFixed(1)} seconds`);
      button.title = `${name}, ${key.t_s.toFixed(1)} s`;
      button.tabIndex = order === Math.min(this.current, wanted.length - 1) ? 0 : -1;
      button.style.left = `${(100 * key.t_s) / this.span_s}%`;
      button.style.top = `${STREAM_PX + ROW_PX * (row + 0.5)}px`;
      button.style.setProperty("--gel", prompt ? this.store.colourOf(prompt) : "var(--ink)");
    });
  }

  paint() {
    const { context, width, height } = sharp(this.canvas);
    context.clearRect(0, 0, width, height);
    const rows = this.rows;
    if (!rows.length) return;
    this.paintStream(context, width);
    context.lineWidth = 1.5;
    rows.forEach((id, row) => {
      const track = this.store.tracks[id];
      const y = STREAM_PX + ROW_PX * (row + 0.5);
      const prompt = this.store.prompts.find((other) => other.id === id);
      context.strokeStyle = prompt ? this.store.colourOf(prompt, 0.7) : getComputedStyle(this.canvas).color;
      context.beginPath();
      context.moveTo((track[0].t_s / this.span_s) * width, y);
      context.lineTo((track.at(-1).t_s / this.span_s) * width, y);
      context.stroke();
    });
    this.paintSeconds(context, width, height);
  }

  paintStream(context, width) {
    const end = Math.min(width, Math.ceil((this.morph.length_s / this.span_s) * width));
    for (let x = 0; x < end; x += 2) {
      const t_s = (x / width) * this.span_s;
      const placed = (id, point) => placeAt(this.store.tracks[id] ?? [], t_s) ?? point;
      const points = this.store.prompts.map((prompt) => ({
        ...placed(prompt.id, prompt),
        silent: prompt.silent,
      }));
      const shares = sharesAt(placed("listener", this.store.listener), points);
      let y = 0;
      this.store.prompts.forEach((prompt, index) => {
        context.fillStyle = css(gel(prompt.gel), this.dark ? 0.8 : 0.9);
        context.fillRect(x, y, 2, shares[index] * STREAM_PX);
        y += shares[index] * STREAM_PX;
      });
    }
  }

  paintSeconds(context, width, height) {
    const step = [1, 2, 5, 10, 30, 60].find((size) => (size / this.span_s) * width > 44) ?? 120;
    context.fillStyle = getComputedStyle(this.canvas).color;
    context.font = "11px sans-serif";
    for (let t_s = step; t_s < this.span_s; t_s += step) {
      const x = (t_s / this.span_s) * width;
      context.globalAlpha = 0.35;
      context.fillRect(x, height - 6, 1, 6);
      context.globalAlpha = 1;
      context.fillText(`${t_s}`, x + 4, height - 2);
    }
  }

  choose(key) {
    const keys = [...this.keys.children];
    this.current = keys.indexOf(key);
    keys.forEach((other) => {
      other.tabIndex = other === key ? 0 : -1;
    });
  }

  timeOf(event) {
    const box = this.lane.getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * this.span_s;
  }

  press(event) {
    if (event.button !== 0 || !this.rows.length) return;
    const key = event.target.closest(".key");
    const { id, index } = key?.dataset ?? {};
    const move = (moved) => {
      if (key) this.moveTo(id, Number(index), this.timeOf(moved));
      else this.morph.seek(this.timeOf(moved));
    };
    key?.focus();
    this.lane.setPointerCapture(event.pointerId);
    if (!key) move(event);
    this.lane.addEventListener("pointermove", move);
    const release = () => this.lane.removeEventListener("pointermove", move);
    this.lane.addEventListener("lostpointercapture", release, { once: true });
    event.preventDefault();
  }

  moveTo(id, index, t_s) {
    this.store.tracks[id] = moveKey(this.store.tracks[id], index, t_s);
    this.store.changed();
  }

  typed(event) {
    const { id, index } = event.target.dataset;
    const track = this.store.tracks[id];
    const key = track?.[Number(index)];
    if (!key) return;
    const step = event.shiftKey ? STRIDE_S : STEP_S;
    if (event.key === "ArrowUp") this.goTo(event.target.previousElementSibling);
    else if (event.key === "ArrowDown") this.goTo(event.target.nextElementSibling);
    else if (event.key === "ArrowLeft") this.moveTo(id, Number(index), key.t_s - step);
    else if (event.key === "ArrowRight") this.moveTo(id, Number(index), key.t_s + step);
    else if (event.key === "Enter") this.morph.seek(key.t_s);
    else if (event.key === "Delete" || event.key === "Backspace") this.remove(id, Number(index));
    else return;
    event.preventDefault();
  }

  goTo(key) {
    key?.focus();
  }

  remove(id, index) {
    const track = removeKey(this.store.tracks[id], index);
    if (track.length) this.store.tracks[id] = track;
    else delete this.store.tracks[id];
    const left = this.rows.reduce((count, row) => count + this.store.tracks[row].length, 0);
    this.store.changed();
    if (!left) document.getElementById("morph-record").focus();
    else this.goTo(this.keys.children[Math.min(this.current, left - 1)]);
  }
}
