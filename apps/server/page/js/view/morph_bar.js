/** The morph's buttons. */

export class MorphBar {
  /**
   * @param {(id: string) => HTMLElement} part finds the elements of the page.
   * @param {import("../morph.js").Morph} morph
   * @param {import("./pad.js").Pad} pad says which point was touched last.
   */
  constructor(part, morph, pad) {
    this.part = part;
    this.morph = morph;
    part("morph-record").addEventListener("click", () => morph.record());
    part("morph-replay").addEventListener("click", () => morph.replay());
    part("morph-key").addEventListener("click", () => morph.key(pad.touched));
    part("morph-clear").addEventListener("click", () => morph.clear());
    part("morph-loop").addEventListener("change", ({ target }) => {
      morph.loop = target.checked;
    });
  }

  /** Updates the buttons from the morph. */
  show() {
    const { mode, length_s } = this.morph;
    const empty = !length_s && !Object.keys(this.morph.store.tracks).length;
    const pressed = (id, on) => this.part(id).setAttribute("aria-pressed", String(on));
    pressed("morph-record", mode === "record");
    pressed("morph-replay", mode === "replay");
    this.part("morph-record").lastElementChild.textContent = mode === "record" ? "Stop recording" : "Record gestures";
    this.part("morph-replay").textContent = mode === "replay" ? "Stop" : "Replay";
    this.part("morph-replay").disabled = empty || mode === "record";
    this.part("morph-clear").disabled = empty;
  }
}
