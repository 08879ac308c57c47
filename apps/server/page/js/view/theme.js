/** Light or dark: the system's setting, until the button is pressed. */

import { MOON, SUN, SYSTEM } from "./icons.js";

const ORDER = ["system", "light", "dark"];
const LOOKS = { system: SYSTEM, light: SUN, dark: MOON };
const SAID = { system: "as the system", light: "light", dark: "dark" };

export class Theme {
  /**
   * @param {HTMLElement} button cycles through the themes.
   * @param {import("../memory.js").Memory} memory keeps the choice.
   * @param {() => void} changed called when the theme changes.
   */
  constructor(button, memory, changed) {
    this.button = button;
    this.memory = memory;
    this.changed = changed;
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.choice = ORDER.includes(memory.read("theme")) ? memory.read("theme") : "system";
    button.addEventListener("click", () => this.next());
    this.system.addEventListener("change", () => this.show());
    this.show();
  }

  /** Whether the page is dark now. */
  get dark() {
    return this.choice === "system" ? this.system.matches : this.choice === "dark";
  }

  next() {
    this.choice = ORDER[(ORDER.indexOf(this.choice) + 1) % ORDER.length];
    this.memory.write("theme", this.choice);
    this.show();
  }

  show() {
    const root = document.documentElement;
    if (this.choice === "system") delete root.dataset.theme;
    else root.dataset.theme = this.choice;
    root.dataset.tone = this.dark ? "dark" : "light";
    this.button.innerHTML = LOOKS[this.choice];
    this.button.setAttribute("aria-label", `Theme: ${SAID[this.choice]}`);
    this.button.title = `Theme: ${SAID[this.choice]}`;
    this.changed();
  }
}
