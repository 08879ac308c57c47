/** How long to wait before the next attempt to connect. */

const FIRST_S = 0.5;
const LONGEST_S = 20;

/**
 * Seconds before an attempt: doubled each time, and randomised so that clients do not come at once.
 *
 * @param {number} attempt 0 for the first one after a loss.
 * @param {number} chance in [0, 1).
 * @param {number} asked_s the least time, from the server.
 */
export function waitBefore(attempt, chance, asked_s = 0) {
  const doubled = Math.min(LONGEST_S, FIRST_S * 2 ** attempt);
  return Math.max(asked_s, doubled * (0.75 + 0.5 * chance));
}
