/** Lines from the listener to the prompts, each as strong as its share, and quiet rings. */

import { css, gel } from "../logic/colour.js";
import { sharp } from "./canvas.js";

const RINGS = [0.12, 0.24, 0.36];

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("../store.js").Store} store
 * @param {{dark: boolean, level: number}} look level: loudness now, in [0, 1].
 */
export function paintLines(canvas, store, look) {
  const { context, width, height } = sharp(canvas);
  context.clearRect(0, 0, width, height);
  const [x, y] = [store.listener.x * width, store.listener.y * height];
  paintRings(context, x, y, width, height, look.dark);
  const shares = store.weights();
  store.prompts.forEach((prompt, index) => {
    const share = shares[index];
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(prompt.x * width, prompt.y * height);
    context.lineCap = "round";
    context.lineWidth = 1 + 7 * share;
    context.strokeStyle = css(gel(prompt.gel), 0.25 + 0.65 * share);
    context.stroke();
  });
  paintHalo(context, x, y, store, look);
}

function paintRings(context, x, y, width, height, dark) {
  context.lineWidth = 1;
  context.strokeStyle = dark ? "rgb(255 255 255 / 0.09)" : "rgb(30 25 45 / 0.09)";
  for (const ring of RINGS) {
    context.beginPath();
    context.ellipse(x, y, ring * width, ring * height, 0, 0, 2 * Math.PI);
    context.stroke();
  }
}

function paintHalo(context, x, y, store, { dark, level }) {
  const radius = 34 + 46 * level;
  const light = context.createRadialGradient(x, y, 8, x, y, radius);
  const opacity = (dark ? 0.5 : 0.75) * (0.35 + 0.65 * level);
  light.addColorStop(0, dark ? css(store.colour(), opacity) : `rgb(255 255 255 / ${opacity})`);
  light.addColorStop(1, dark ? css(store.colour(), 0) : "rgb(255 255 255 / 0)");
  context.fillStyle = light;
  context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
}
