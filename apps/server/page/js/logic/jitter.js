/**
 * How much music to buffer against a network that delivers unevenly.
 *
 * The cushion is the music that is left in the buffer just before the next chunk arrives. Its
 * target grows at once after an underrun, and shrinks slowly while there is none.
 */

export const LEAST_S = 0.25;
export const MOST_S = 4;
const GROWTH = 1.6;
const CALM_S = 20;
const SHRINK_S_PER_S = 0.01;
// So many seconds above the target are played a little faster.
const SPARE_S = 0.25;
// Three and a half cents sharp, which is inaudible; a second is caught up in eight minutes.
export const CATCH_UP_RATE = 1.002;

export class JitterPolicy {
  constructor(target_s = LEAST_S) {
    this.target_s = target_s;
    this.underruns = 0;
    this.calm_s = 0;
    this.rate = 1;
  }

  /** Counts an underrun and grows the target. */
  underrun() {
    this.underruns += 1;
    this.calm_s = 0;
    this.rate = 1;
    this.target_s = Math.min(MOST_S, this.target_s * GROWTH);
  }

  /**
   * Shrinks the target for a time that was played without a gap.
   *
   * @param {number} seconds how long.
   */
  played(seconds) {
    this.calm_s += seconds;
    if (this.calm_s < CALM_S) return;
    this.target_s = Math.max(LEAST_S, this.target_s - SHRINK_S_PER_S * seconds);
  }

  /**
   * Notes the cushion, just before a chunk is added.
   *
   * @param {number} left_s seconds in the buffer.
   */
  arrived(left_s) {
    if (left_s > this.target_s + SPARE_S && this.calm_s >= CALM_S) this.rate = CATCH_UP_RATE;
    else if (left_s <= this.target_s) this.rate = 1;
  }

  /**
   * Whether playing may start, or start again after a gap.
   *
   * @param {number} buffered_s seconds in the buffer.
   * @param {number} chunk_s seconds of the last chunk.
   * @param {number} waited_s seconds since the first chunk arrived after the gap.
   */
  ready(buffered_s, chunk_s, waited_s) {
    if (buffered_s <= 0) return false;
    return buffered_s >= chunk_s + this.target_s || waited_s >= this.target_s;
  }
}
