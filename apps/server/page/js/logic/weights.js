/** Weights of prompts by their distance from the listener. */

// A prompt closer than this counts as reached; the square keeps the division finite.
const TOUCH_SQUARED = 1e-4;

/**
 * The share of each point at a position: inverse squared distance, normalised.
 *
 * @param {{x: number, y: number}} place the listener's position, in [0, 1] each.
 * @param {{x: number, y: number}[]} points the prompts' positions.
 * @returns {number[]} one share a point, at least 0, sum 1; empty for no points.
 */
export function weightsAt(place, points) {
  const pulls = points.map(
    (point) => 1 / ((point.x - place.x) ** 2 + (point.y - place.y) ** 2 + TOUCH_SQUARED),
  );
  const sum = pulls.reduce((total, pull) => total + pull, 0);
  return pulls.map((pull) => pull / sum);
}

/**
 * The shares of prompts; a prompt that is silent, for its file is not uploaded, has none.
 *
 * @param {{x: number, y: number}} place
 * @param {{x: number, y: number, silent?: boolean}[]} prompts
 * @returns {number[]} one share a prompt, sum 1 if any can be heard.
 */
export function sharesAt(place, prompts) {
  const heard = weightsAt(place, prompts.filter((prompt) => !prompt.silent));
  return prompts.map((prompt) => (prompt.silent ? 0 : heard.shift()));
}

/**
 * Shares as whole per cents that add up to 100: the largest remainders are rounded up.
 *
 * @param {number[]} shares sum 1.
 * @returns {number[]} whole numbers, sum 100 (empty for no shares).
 */
export function percents(shares) {
  const floors = shares.map((share) => Math.floor(share * 100));
  const missing = shares.some((share) => share > 0) ? 100 - floors.reduce((total, value) => total + value, 0) : 0;
  const byRemainder = shares
    .map((share, index) => [share * 100 - floors[index], index])
    .sort((a, b) => b[0] - a[0]);
  for (const [, index] of byRemainder.slice(0, missing)) floors[index] += 1;
  return floors;
}

/** A number held inside [least, most]. */
export function clamp(value, least = 0, most = 1) {
  return Math.min(most, Math.max(least, value));
}

/**
 * A free position for one more point: of some candidates, the farthest from all points.
 *
 * @param {{x: number, y: number}[]} points the points so far.
 * @returns {{x: number, y: number}}
 */
export function freePlace(points) {
  const candidates = [];
  for (let row = 0; row < 5; row += 1) {
    for (let column = 0; column < 7; column += 1) {
      candidates.push({ x: 0.14 + (column * 0.72) / 6, y: 0.16 + (row * 0.66) / 4 });
    }
  }
  const room = (place) =>
    Math.min(1, ...points.map((point) => Math.hypot(point.x - place.x, point.y - place.y)));
  return candidates.reduce((best, place) => (room(place) > room(best) ? place : best));
}
