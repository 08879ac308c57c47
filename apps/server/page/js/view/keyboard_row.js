/** The row of notes: a piano to click, letters as keys, MIDI instruments, and "all notes off". */

import { MIDDLE_C, isBlack, moved, pitchOf, readMidi } from "../logic/keys.js";

const KEYS = 25;

export class KeyboardRow {
  /**
   * @param {(id: string) => HTMLElement} part finds the elements of the page.
   * @param {import("../notes.js").Notes} notes
   * @param {(text: string) => void} tell shows an error.
   */
  constructor(part, notes, tell) {
    Object.assign(this, { part, notes, tell });
    this.lowest = MIDDLE_C;
    this.letters = false;
    this.access = null;
    this.build();
    part("letters").addEventListener("click", () => this.play(!this.letters));
    part("panic").addEventListener("click", () => notes.panic());
    part("midi").addEventListener("click", () => this.connect());
    document.addEventListener("keydown", (event) => this.key(event, true), true);
    document.addEventListener("keyup", (event) => this.key(event, false), true);
    globalThis.addEventListener("blur", () => notes.held.size && notes.panic());
    notes.addEventListener("changed", () => this.show());
  }

  /** Shows the row, or hides it if the pipeline hears no notes. */
  offer(taken) {
    this.part("keyboard-row").hidden = !taken;
    if (!taken) this.play(false);
  }

  /** Makes letters play notes, or gives them back their meaning. */
  play(letters) {
    this.letters = letters;
    this.part("letters").setAttribute("aria-pressed", String(letters));
  }

  build() {
    const piano = this.part("piano");
    const keys = Array.from({ length: KEYS }, (_, place) => {
      const key = document.createElement("button");
      key.type = "button";
      key.tabIndex = -1;
      key.dataset.place = place;
      return key;
    });
    piano.replaceChildren(...keys);
    const pitch = ({ target }) => target.dataset.place === undefined ? null : this.lowest + Number(target.dataset.place);
    piano.addEventListener("pointerdown", (event) => {
      if (pitch(event) === null) return;
      event.preventDefault();
      event.target.releasePointerCapture?.(event.pointerId);
      this.notes.press(pitch(event));
    });
    // A held button that slides over the keys plays them one after the other.
    piano.addEventListener("pointerover", (event) => event.buttons && pitch(event) !== null && this.notes.press(pitch(event)));
    for (const end of ["pointerup", "pointerout", "pointercancel"]) {
      piano.addEventListener(end, (event) => pitch(event) !== null && this.notes.release(pitch(event)));
    }
    this.show();
  }

  key(event, down) {
    const { target, key, repeat, ctrlKey, metaKey, altKey } = event;
    if (!this.letters || ctrlKey || metaKey || altKey) return;
    if (target.closest?.("input:not([type=range], [type=checkbox]), select, textarea")) return;
    const letter = key.toLowerCase();
    const pitch = pitchOf(letter, this.lowest);
    const octaves = { z: -1, x: 1 }[letter];
    if (pitch === null && octaves === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (repeat) return;
    if (octaves !== undefined) {
      if (down) this.lowest = moved(this.lowest, octaves);
      if (down && this.notes.held.size) this.notes.panic();
      this.show();
    } else if (down) this.notes.press(pitch);
    else this.notes.release(pitch);
  }

  /** Listens to all MIDI instruments; one that is plugged in later is heard too. */
  async connect() {
    if (!navigator.requestMIDIAccess) {
      this.tell("This browser has no MIDI, or the page is not on a secure address.");
      return;
    }
    try {
      this.access = await navigator.requestMIDIAccess();
    } catch (error) {
      this.tell(`MIDI cannot be used: ${error.message}.`);
      return;
    }
    this.access.addEventListener("statechange", ({ port }) => this.plugged(port));
    for (const input of this.access.inputs.values()) this.listen(input);
    this.show();
  }

  plugged(port) {
    if (port.type !== "input") return;
    if (port.state === "connected") this.listen(port);
    else this.notes.panic(); // nobody can release the keys of an unplugged instrument
    this.show();
  }

  listen(input) {
    input.onmidimessage = ({ data }) => {
      const read = readMidi(data);
      if (read?.act === "press") this.notes.press(read.pitch);
      else if (read?.act === "release") this.notes.release(read.pitch);
      else if (read?.act === "pedal") this.notes.pedal(read.down);
      else if (read?.act === "panic") this.notes.panic();
    };
  }

  show() {
    for (const key of this.part("piano").children) {
      const pitch = this.lowest + Number(key.dataset.place);
      key.classList.toggle("black", isBlack(pitch));
      key.classList.toggle("held", this.notes.held.has(pitch));
      key.setAttribute("aria-label", `Note ${pitch}`);
    }
    const names = this.access ? [...this.access.inputs.values()].filter(({ state }) => state === "connected").map(({ name }) => name) : null;
    this.part("midi-text").textContent = names === null ? "Use MIDI" : names.join(", ") || "No MIDI instrument";
  }
}
