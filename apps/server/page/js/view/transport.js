/** Play, reset, volume, time, and the state of the link. */

import { clock } from "./clock.js";
import { PAUSE, PLAY } from "./icons.js";

const SAID = { connecting: "Connecting", open: "Connected", closed: "Offline", refused: "Refused" };

export class Transport {
  /**
   * @param {(id: string) => HTMLElement} part finds the elements of the page.
   * @param {{toggle: () => void, reset: () => void, volume: (volume: number) => void}} asks
   */
  constructor(part, asks) {
    this.part = part;
    this.shown = null;
    part("play").addEventListener("click", asks.toggle);
    part("reset").addEventListener("click", asks.reset);
    const volume = part("volume");
    const turn = () => {
      volume.style.setProperty("--at", `${100 * volume.valueAsNumber}%`);
      // Loudness is heard by ratio, not by difference.
      asks.volume(volume.valueAsNumber ** 2);
    };
    volume.addEventListener("input", turn);
    turn();
  }

  /**
   * @param {{playing: boolean, flowing: boolean, played_s: number}} now
   */
  show({ playing, flowing, played_s }) {
    this.part("clock").textContent = clock(played_s);
    const state = `${playing} ${flowing}`;
    if (state === this.shown) return;
    this.shown = state;
    const play = this.part("play");
    play.innerHTML = playing ? PAUSE : PLAY;
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    play.classList.toggle("waiting", playing && !flowing);
  }

  /** Shows the state of the link (see Link.state). */
  showLink({ state, wait_s }) {
    this.part("link").dataset.state = state;
    this.part("link-text").textContent =
      state === "waiting" ? `Connection lost, again in ${Math.ceil(wait_s)} s` : SAID[state];
  }
}

/**
 * Keys that act on the whole page, wherever they have no other meaning.
 *
 * @param {Record<string, () => void>} acts by key; " " still presses a button in focus.
 */
export function listenForKeys(acts) {
  document.addEventListener("keydown", (event) => {
    const { target, key, repeat, ctrlKey, metaKey, altKey } = event;
    const act = acts[key.toLowerCase()];
    const meant = target.closest("input:not([type=range], [type=checkbox]), select, textarea");
    const pressed = key === " " && target.closest("input, a, button:not(.point)");
    if (!act || meant || pressed || repeat || ctrlKey || metaKey || altKey) return;
    event.preventDefault();
    act();
  });
}
