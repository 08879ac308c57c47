/** Scalar controls: a slider or a field for each number, within the server's limits. */

import { DICE } from "./icons.js";

export class Sampling {
  /**
   * @param {HTMLElement} rows
   * @param {import("../store.js").Store} store
   */
  constructor(rows, store) {
    this.rows = rows;
    this.store = store;
    this.knobs = [];
    this.fields = new Map();
  }

  /**
   * Shows the controls of a server.
   *
   * @param {ReturnType<typeof import("../logic/knobs.js").knobsOf>} knobs
   */
  offer(knobs) {
    this.knobs = knobs;
    this.fields.clear();
    this.rows.replaceChildren(...knobs.map((knob) => this.make(knob)));
    // What is remembered may be of another pipeline, whose controls this one would refuse.
    const { sampling } = this.store;
    this.store.sampling = Object.fromEntries(knobs.map(({ name, value }) => [name, sampling[name] ?? value]));
    this.store.changed();
  }

  make(knob) {
    const row = document.createElement("div");
    row.className = "knob";
    row.title = knob.title;
    const label = Object.assign(document.createElement("label"), { textContent: knob.label });
    label.htmlFor = `knob-${knob.name}`;
    row.append(label, knob.slides ? this.slider(knob) : this.number(knob));
    if (knob.slides) {
      row.append(Object.assign(document.createElement("output"), { htmlFor: label.htmlFor }));
    }
    return row;
  }

  slider(knob) {
    const slider = this.field(knob, "range");
    Object.assign(slider, { min: knob.least, max: knob.most, step: knob.step });
    slider.addEventListener("input", () => this.set(knob.name, slider.valueAsNumber));
    slider.addEventListener("dblclick", () => this.set(knob.name, knob.value));
    return slider;
  }

  number(knob) {
    const box = document.createElement("span");
    box.className = "number";
    const number = this.field(knob, "number");
    Object.assign(number, { min: knob.least, step: knob.step, max: knob.most });
    number.addEventListener("change", () => {
      if (number.checkValidity() && number.value) this.set(knob.name, number.valueAsNumber);
      else this.show();
    });
    box.append(number);
    if (knob.dice) box.append(this.dice(knob));
    return box;
  }

  dice(knob) {
    const dice = document.createElement("button");
    dice.type = "button";
    dice.className = "quiet icon";
    dice.innerHTML = DICE;
    dice.title = "Another seed";
    dice.setAttribute("aria-label", "Another seed");
    dice.addEventListener("click", () => this.set(knob.name, Math.floor(Math.random() * 1e6)));
    return dice;
  }

  field(knob, type) {
    const field = Object.assign(document.createElement("input"), { type, id: `knob-${knob.name}` });
    this.fields.set(knob.name, field);
    return field;
  }

  set(name, value) {
    this.store.sampling[name] = value;
    this.store.changed();
  }

  /** Updates the sliders from the store. */
  show() {
    for (const knob of this.knobs) {
      const field = this.fields.get(knob.name);
      const value = this.store.sampling[knob.name];
      if (document.activeElement !== field || field.type === "range") field.value = value;
      if (field.type !== "range") continue;
      const digits = knob.step < 1 ? Math.max(2, -Math.floor(Math.log10(knob.step))) : 0;
      field.style.setProperty("--at", `${(100 * (value - knob.least)) / (knob.most - knob.least)}%`);
      field.closest(".knob").querySelector("output").textContent = value.toFixed(digits);
    }
  }
}
