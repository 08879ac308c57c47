/** The pad: the points of prompts and listener, moved by drag or arrow keys. */

import { percents } from "../logic/weights.js";

const STEP = 0.02;
const STRIDE = 0.1;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  /**
   * @param {HTMLElement} pad holds canvases, #points and the hint.
   * @param {import("../store.js").Store} store
   * @param {{rename: (id: string) => void, add: (place: object) => void,
   *     files: (files: FileList, place: object) => void}} asks called for what other parts do.
   */
  constructor(pad, store, asks) {
    this.pad = pad;
    this.layer = pad.querySelector("#points");
    this.hint = pad.querySelector("#pad-hint");
    this.store = store;
    this.asks = asks;
    this.points = new Map();
    // The point last moved by hand.
    this.touched = "listener";
    this.layer.addEventListener("focusin", (event) => {
      this.touched = event.target.dataset.id;
    });
    this.listenToPointer();
    this.listenToKeys();
    this.listenToDrops();
  }

  /** Updates the points from the store. */
  show() {
    const shares = percents(this.store.weights());
    const kept = new Set(["listener", ...this.store.prompts.map((prompt) => prompt.id)]);
    for (const [id, point] of this.points) {
      if (kept.has(id)) continue;
      point.remove();
      this.points.delete(id);
    }
    this.store.prompts.forEach((prompt, index) => this.place(prompt, shares[index]));
    this.place({ id: "listener", name: "Listener", ...this.store.listener });
  }

  place(thing, share) {
    const point = this.points.get(thing.id) ?? this.make(thing);
    point.style.left = `${100 * thing.x}%`;
    point.style.top = `${100 * thing.y}%`;
    point.dataset.side = thing.x < 0.12 ? "left" : thing.x > 0.88 ? "right" : "";
    point.toggleAttribute("data-low", thing.y > 0.86);
    point.classList.toggle("pending", this.store.isPending(thing.id));
    const at = `at ${Math.round(100 * thing.x)}, ${Math.round(100 * thing.y)}`;
    if (thing.id === "listener") {
      point.setAttribute("aria-label", `Listener ${at}`);
      return;
    }
    point.style.setProperty("--gel", this.store.colourOf(thing));
    point.style.setProperty("--share", share);
    point.querySelector("b").textContent = thing.name || "unnamed";
    point.querySelector(".number").textContent = share;
    point.setAttribute("aria-label", `${thing.name || "unnamed"}, ${share} per cent, ${at}`);
  }

  make({ id }) {
    const point = document.createElement("button");
    point.type = "button";
    point.className = id === "listener" ? "point listener" : "point";
    point.dataset.id = id;
    point.setAttribute("aria-roledescription", "movable point");
    const tag = id === "listener" ? "" : '<span class="tag"><b></b><span class="number"></span></span>';
    point.innerHTML = `<span class="arc"></span><span class="bulb"></span>${tag}`;
    this.layer.append(point);
    this.points.set(id, point);
    return point;
  }

  /** The position of a pointer, in units of the pad. */
  placeOf(event) {
    const box = this.pad.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  listenToPointer() {
    this.pad.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const point = event.target.closest(".point") ?? this.points.get("listener");
      const grip = this.gripOf(point, event);
      this.pad.setPointerCapture(event.pointerId);
      point.classList.add("held");
      point.focus({ preventScroll: true });
      event.preventDefault();
      const follow = (move) => this.drag(point.dataset.id, move, grip);
      this.drag(point.dataset.id, event, grip);
      const release = () => {
        point.classList.remove("held");
        this.pad.removeEventListener("pointermove", follow);
      };
      this.pad.addEventListener("pointermove", follow);
      this.pad.addEventListener("lostpointercapture", release, { once: true });
    });
    this.pad.addEventListener("dblclick", (event) => {
      if (!this.pressedPoint(event)) this.asks.add(this.placeOf(event));
    });
  }

  /** The offset of a drag from its point's middle; a press beside all points moves the listener there. */
  gripOf(point, event) {
    if (!event.target.closest(".point")) return { x: 0, y: 0 };
    const place = this.placeOf(event);
    const { x, y } = this.store.point(point.dataset.id);
    return { x: x - place.x, y: y - place.y };
  }

  /** A prompt's point under a pointer: captured events all name the pad itself. */
  pressedPoint(event) {
    return document
      .elementsFromPoint(event.clientX, event.clientY)
      .some((element) => element.closest?.(".point:not(.listener)"));
  }

  drag(id, event, grip) {
    const place = this.placeOf(event);
    this.store.move(id, place.x + grip.x, place.y + grip.y);
    this.hint.classList.add("done");
  }

  listenToKeys() {
    this.layer.addEventListener("keydown", (event) => {
      const { id } = event.target.dataset;
      const arrow = ARROWS[event.key];
      if (arrow) {
        const point = this.store.point(id);
        const step = event.shiftKey ? STRIDE : STEP;
        this.store.move(id, point.x + step * arrow[0], point.y + step * arrow[1]);
      } else if (id === "listener") {
        return;
      } else if (event.key === "Delete" || event.key === "Backspace") {
        this.store.remove(id);
        this.points.get("listener").focus();
      } else if (event.key === "Enter") {
        this.asks.rename(id);
      } else {
        return;
      }
      event.preventDefault();
    });
  }

  listenToDrops() {
    const over = (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      this.pad.classList.add("dropping");
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.pad.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.pad.classList.remove("dropping");
      const onPad = event.target.closest?.("#pad");
      this.asks.files(event.dataTransfer.files, onPad ? this.placeOf(event) : {});
    });
  }
}
