/**
 * How much music to keep in hand against a network that delivers unevenly.
 *
 * The cushion is what is left just before the next chunk arrives. It grows at once when the
 * music ran dry, and shrinks slowly while all is well.
 */

export const LEAST_S = 0.25;
export const MOST_S = 4;
const GROWTH = 1.6;
const CALM_S = 20;
const SHRINK_S_PER_S = 0.01;
// More in hand than wanted by this much is worth playing away.
const SPARE_S = 0.25;
// Three and a half cents sharp: nobody hears it, and a second is caught up in eight minutes.
export const CATCH_UP_RATE = 1.002;

export class JitterPolicy {
  constructor(target_s = LEAST_S) {
    this.target_s = target_s;
    this.underruns = 0;
    this.calm_s = 0;
    this.rate = 1;
  }

  /** The music ran dry while it should have played. */
  underrun() {
    this.underruns += 1;
    this.calm_s = 0;
    this.rate = 1;
    this.target_s = Math.min(MOST_S, this.target_s * GROWTH);
  }

  /**
   * Some time was played without a gap.
   *
   * @param {number} seconds how long.
   */
  played(seconds) {
    this.calm_s += seconds;
    if (this.calm_s < CALM_S) return;
    this.target_s = Math.max(LEAST_S, this.target_s - SHRINK_S_PER_S * seconds);
  }

  /**
   * A chunk is about to be added to what is left.
   *
   * @param {number} left_s seconds in hand just before.
   */
  arrived(left_s) {
    if (left_s > this.target_s + SPARE_S && this.calm_s >= CALM_S) this.rate = CATCH_UP_RATE;
    else if (left_s <= this.target_s) this.rate = 1;
  }

  /**
   * Whether playing may begin, or begin again after a gap.
   *
   * @param {number} buffered_s seconds in hand.
   * @param {number} chunk_s seconds of the last chunk.
   * @param {number} waited_s seconds since the first chunk of this wait came.
   */
  ready(buffered_s, chunk_s, waited_s) {
    if (buffered_s <= 0) return false;
    return buffered_s >= chunk_s + this.target_s || waited_s >= this.target_s;
  }
}
