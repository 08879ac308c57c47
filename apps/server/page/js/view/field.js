/** The light on the pad: at every position, the colour of the mixture there. */

import { gel, mix, toRgb } from "../logic/colour.js";
import { weightsAt } from "../logic/weights.js";

const [COLUMNS, ROWS] = [96, 64];
// How far a prompt's light reaches, in units of the pad.
const REACH = 0.21;
const FLOOR = { light: [0.975, 0.001, 0.003], dark: [0.222, 0.006, -0.014] };

/** The colour of a mixture on the pad: pale on a light page, deep on a dark one. */
function lit(lab, near, dark) {
  const floor = dark ? FLOOR.dark : FLOOR.light;
  const goal = dark
    ? [0.25 + 0.34 * near, lab[1] * 0.9, lab[2] * 0.9]
    : [0.965 - 0.135 * near, lab[1] * 0.72, lab[2] * 0.72];
  const part = 0.16 + 0.84 * near;
  return floor.map((value, axis) => value + part * (goal[axis] - value));
}

/**
 * Paints the field, a few thousand soft pixels that the browser scales up.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {{x: number, y: number, gel: number}[]} prompts
 * @param {boolean} dark
 */
export function paintField(canvas, prompts, dark) {
  Object.assign(canvas, { width: COLUMNS, height: ROWS });
  const context = canvas.getContext("2d");
  const image = context.createImageData(COLUMNS, ROWS);
  const labs = prompts.map((prompt) => gel(prompt.gel));
  for (let row = 0; row < ROWS; row += 1) {
    for (let column = 0; column < COLUMNS; column += 1) {
      const place = { x: (column + 0.5) / COLUMNS, y: (row + 0.5) / ROWS };
      const rgb = toRgb(lit(mix(labs, weightsAt(place, prompts)), nearness(place, prompts), dark));
      image.data.set([...rgb, 255], 4 * (row * COLUMNS + column));
    }
  }
  context.putImageData(image, 0, 0);
}

/** How lit a position is: 1 at a prompt, falling to 0 far from all. */
function nearness(place, prompts) {
  const far = prompts.reduce((product, prompt) => {
    const square = (prompt.x - place.x) ** 2 + (prompt.y - place.y) ** 2;
    return product * (1 - Math.exp(-square / (2 * REACH * REACH)) * 0.85);
  }, 1);
  return 1 - far;
}
