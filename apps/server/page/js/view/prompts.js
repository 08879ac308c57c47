/** The list of prompts: names to edit, shares, and a way to add and remove. */

import { percents } from "../logic/weights.js";
import { CLOSE } from "./icons.js";

export class PromptList {
  /**
   * @param {HTMLElement} list
   * @param {import("../store.js").Store} store
   * @param {(id: string) => void} goOn lets the music go on from an audio prompt's clip.
   */
  constructor(list, store, goOn) {
    this.goOn = goOn;
    // Whether the server's pipeline can go on from clips.
    this.canGoOn = false;
    this.list = list;
    this.store = store;
    this.rows = new Map();
  }

  /** Updates the rows from the store. */
  show() {
    const shares = percents(this.store.weights());
    const kept = new Set(this.store.prompts.map((prompt) => prompt.id));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    this.store.prompts.forEach((prompt, index) => {
      const row = this.rows.get(prompt.id) ?? this.make(prompt);
      row.style.setProperty("--gel", this.store.colourOf(prompt));
      row.style.setProperty("--share", shares[index]);
      const name = row.querySelector(".name");
      if (document.activeElement !== name) name.value = prompt.name;
      row.querySelector(".number").textContent = `${shares[index]} %`;
      row.querySelector(".state").textContent = prompt.state ?? "";
      const words = prompt.kind === "text" && this.store.notUnderstood[prompt.name];
      const unknown = words ? `not understood: ${words}` : "";
      const report = row.querySelector(".unknown");
      if (report.textContent !== unknown) report.textContent = unknown;
      const goOn = row.querySelector(".go-on");
      goOn.hidden = !this.canGoOn || prompt.kind !== "audio" || !prompt.upload;
      goOn.setAttribute("aria-label", `Go on from ${prompt.name}`);
      row.classList.toggle("pending", this.store.isPending(prompt.id));
      row.querySelector(".remove").setAttribute("aria-label", `Remove ${prompt.name}`);
    });
  }

  make(prompt) {
    const row = document.createElement("li");
    row.className = "prompt";
    row.dataset.kind = prompt.kind;
    row.innerHTML =
      '<span class="swatch" aria-hidden="true"></span><input class="name" type="text" maxlength="500">' +
      '<output class="number" aria-label="Share"></output>' +
      `<button type="button" class="quiet icon remove">${CLOSE}</button>` +
      '<span class="meter" aria-hidden="true"></span><p class="state" role="status"></p>' +
      '<p class="unknown" role="status"></p>' +
      '<button type="button" class="quiet go-on" hidden title="The music goes on as if it had played this itself">Go on from this</button>';
    const name = row.querySelector(".name");
    const kind = prompt.kind === "audio" ? "Name of an audio prompt" : "Text of a prompt";
    name.setAttribute("aria-label", kind);
    name.addEventListener("change", () => this.rename(prompt, name));
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") name.blur();
      if (event.key === "Escape") {
        name.value = prompt.name;
        name.blur();
      }
    });
    row.querySelector(".go-on").addEventListener("click", () => this.goOn(prompt.id));
    row.querySelector(".remove").addEventListener("click", () => this.remove(prompt.id));
    this.list.append(row);
    this.rows.set(prompt.id, row);
    return row;
  }

  rename(prompt, field) {
    const name = field.value.trim();
    if (name) prompt.name = name;
    else field.value = prompt.name;
    this.store.changed();
  }

  remove(id) {
    const next = this.rows.get(id).nextElementSibling ?? this.rows.get(id).previousElementSibling;
    this.store.remove(id);
    (next?.querySelector(".remove") ?? document.getElementById("add-text")).focus();
  }

  /** Starts to edit a prompt's name. */
  edit(id) {
    this.show();
    const name = this.rows.get(id).querySelector(".name");
    name.focus();
    name.select();
  }
}
