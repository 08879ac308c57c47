/**
 * How much music to buffer against a network or a machine that delivers unevenly.
 *
 * The cushion is the music that is left in the buffer just before the next chunk arrives. Its
 * target grows at once after an underrun, or when the server reports a late chunk, by as much as
 * would have been needed; it shrinks slowly while there is neither.
 */

export const LEAST_S = 0.25;
export const MOST_S = 8;
// From this target on, the listener is told.
export const TOLD_S = 1;
const GROWTH = 1.6;
const CALM_S = 20;
const SHRINK_S_PER_S = 0.01;
// A large target shrinks by this share a second.
const SHRINK_SHARE = 0.005;
// So many seconds above the target are played a little faster.
const SPARE_S = 0.25;
// Seven cents sharp, which nobody hears without comparing; a second is caught up in four minutes.
export const CATCH_UP_RATE = 1.004;
// Seventeen cents, if more than so many seconds have to be caught up.
export const FAST_RATE = 1.01;
const FAST_FROM_S = 3;
// Seven cents flat, while the cushion is far below its target.
export const SLOW_RATE = 0.996;

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
   * Grows the target so that it would have filled a gap, or a delay, of this length.
   *
   * @param {number} seconds how long the music was missing, or how late a chunk was.
   */
  missed(seconds) {
    this.calm_s = 0;
    this.target_s = Math.min(MOST_S, Math.max(this.target_s, LEAST_S + seconds));
  }

  /** Whether changes are heard so much later that the listener should know. */
  get busy() {
    return this.target_s >= TOLD_S;
  }

  /**
   * Shrinks the target for a time that was played without a gap.
   *
   * @param {number} seconds how long.
   */
  played(seconds) {
    this.calm_s += seconds;
    if (this.calm_s < CALM_S) return;
    const rate = Math.max(SHRINK_S_PER_S, SHRINK_SHARE * this.target_s);
    this.target_s = Math.max(LEAST_S, this.target_s - rate * seconds);
  }

  /**
   * Notes the cushion, just before a chunk is added.
   *
   * @param {number} left_s seconds in the buffer.
   */
  arrived(left_s) {
    const spare_s = left_s - this.target_s;
    if (spare_s > SPARE_S && this.calm_s >= CALM_S) {
      this.rate = spare_s > FAST_FROM_S ? FAST_RATE : CATCH_UP_RATE;
    } else if (spare_s < -SPARE_S) this.rate = SLOW_RATE;
    else if ((this.rate > 1) === (spare_s <= 0)) this.rate = 1;
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
