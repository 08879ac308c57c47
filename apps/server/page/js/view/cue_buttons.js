/** The buttons Cue and Drop, and the state of the cue. */

const SAID = {
  off: "",
  same: "Cue: changes are not heard",
  making: "Preparing the change",
  made: "Prepared: Drop is heard at once",
  late: "Not prepared: Drop is heard a little later",
};

export class CueButtons {
  /**
   * @param {(id: string) => HTMLElement} part finds the elements of the page.
   * @param {import("../cue.js").Cue} cue
   * @param {import("../morph.js").Morph} morph rests when cueing begins: it would never be ready.
   */
  constructor(part, cue, morph) {
    this.part = part;
    part("cue").addEventListener("click", () => cue.toggle());
    part("drop").addEventListener("click", () => cue.drop());
    cue.addEventListener("state", () => {
      if (cue.on) morph.rest();
      this.show(cue);
    });
  }

  show({ on, state }) {
    this.part("cue").setAttribute("aria-pressed", String(on));
    this.part("drop").disabled = !on;
    this.part("drop").dataset.state = state;
    this.part("cue-said").textContent = SAID[state];
    document.documentElement.toggleAttribute("data-cue", on);
  }
}
