/** Draws the page: views on a change of the store, moving parts 30 times a second or fewer. */

import { toRgb } from "../logic/colour.js";
import { clock } from "./clock.js";
import { paintField } from "./field.js";
import { paintLines } from "./lines.js";
import { Spectrum } from "./spectrum.js";
import { Wave } from "./wave.js";

// How fast the halo follows the loudness, per second.
const FOLLOW = 8;
// Every second frame of a screen of 60 Hz: twice as many drawings look the same, and take
// processor time from a server on the same computer. Between them no frame is asked for.
const PAUSE_MS = 20;
// For those who want less motion; the player's analyser remembers 85 ms.
const CALM_PAUSE_MS = 60;

export class Painter {
  /**
   * @param {(id: string) => HTMLElement} part finds the elements of the page.
   * @param {object} page store, player, conductor, morph, theme and the views.
   */
  constructor(part, page) {
    this.part = part;
    this.page = page;
    this.wave = new Wave(part("wave"));
    this.spectrum = new Spectrum(part("spectrum"));
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.level = 0;
    this.field = "";
    this.lines = "";
    page.store.subscribe(() => this.arranged());
    new ResizeObserver(() => this.resized()).observe(part("pad"));
  }

  /** Draws the views, for the store has changed. */
  arranged() {
    const { store, theme, views } = this.page;
    document.documentElement.style.setProperty("--mix", `rgb(${toRgb(store.colour()).join(" ")})`);
    for (const view of views) view.show(theme.dark);
    const lit = store.prompts.filter((prompt) => !prompt.silent);
    const field = JSON.stringify([lit.map(({ x, y, gel }) => [x, y, gel]), theme.dark]);
    if (field === this.field) return;
    this.field = field;
    paintField(this.part("field"), lit, theme.dark);
  }

  resized() {
    this.lines = "";
  }

  /** Starts to draw the moving parts. */
  run() {
    let before = performance.now();
    const frame = (now) => {
      setTimeout(() => requestAnimationFrame(frame), this.calm.matches ? CALM_PAUSE_MS : PAUSE_MS);
      // After a time in the background, only the last moment is drawn.
      this.frame(Math.min(0.5, (now - before) / 1000));
      before = now;
    };
    requestAnimationFrame(frame);
  }

  frame(seconds) {
    const { player, conductor, morph, transport, health } = this.page;
    const { status } = player;
    this.follow(status.flowing ? Math.min(1, status.peak) : 0, seconds);
    this.drawLines();
    if (status.flowing) this.drawSound(seconds);
    transport.show({ playing: conductor.playing, flowing: status.flowing, played_s: status.played_s });
    health.show(player, conductor);
    this.part("morph-time").textContent = `${clock(morph.at_s)} / ${clock(morph.length_s)}`;
  }

  follow(peak, seconds) {
    const goal = this.calm.matches ? 0.4 : peak;
    this.level += (goal - this.level) * Math.min(1, FOLLOW * seconds);
  }

  drawLines() {
    const { store, theme } = this.page;
    const level = Math.round(100 * this.level) / 100;
    const points = store.prompts.map(({ x, y, gel, silent }) => [x, y, gel, silent]);
    const lines = JSON.stringify([points, store.listener, theme.dark, level]);
    if (lines === this.lines) return;
    this.lines = lines;
    paintLines(this.part("lines"), store, { dark: theme.dark, level });
  }

  drawSound(seconds) {
    const { player, store, theme } = this.page;
    const colour = store.soundingColour();
    this.wave.draw(player.analyser, seconds, colour);
    this.spectrum.draw(player.analyser, seconds, colour, theme.dark);
  }
}
