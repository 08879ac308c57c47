/** A ring that knows which chunk lies where, so that a chunk can take the place of another. */

import { Ring } from "./ring.js";

export class ChunkRing extends Ring {
  constructor(frames, channels) {
    super(frames, channels);
    // Frames that have left the ring since it was made: where its oldest one stands.
    this.past = 0;
    this.forget();
  }

  /** The index of the chunk whose frame is the oldest one here, or null. */
  get chunk() {
    const [oldest] = this.places;
    return oldest && oldest.at <= this.past ? oldest.chunk : null;
  }

  /** Knows no chunk any more, as when the music begins again; the frames stay. */
  forget() {
    this.places = [];
    this.newest = -1;
  }

  /**
   * Appends a chunk.
   *
   * @param {number} chunk its index in the music.
   * @param {Float32Array} samples interleaved.
   * @returns {number} frames written; fewer than given when the ring is full.
   */
  append(chunk, samples) {
    const at = this.past + this.frames;
    const frames = this.write(samples);
    this.places.push({ chunk, at, frames });
    this.newest = Math.max(this.newest, chunk);
    return frames;
  }

  /**
   * Puts a chunk in the place of the one of its index, as far as that is not played yet.
   *
   * What lies before is not touched, for the new chunk goes on from it. What lies behind stays
   * until its own successor comes: old music is better than a gap.
   *
   * @param {number} chunk its index; one behind all there is, is appended.
   * @param {Float32Array} samples interleaved.
   * @param {number} ahead frames from the oldest that are too close to be changed.
   * @param {number} fade frames of the cross-fade where the old chunk has begun to sound.
   * @returns {{written: number, from: number} | null} the frames that changed, and the first of
   *     them within the chunk; null if all of it is past.
   */
  replace(chunk, samples, ahead, fade) {
    if (chunk > this.newest) return { written: this.append(chunk, samples), from: 0 };
    const place = this.places.find((one) => one.chunk === chunk);
    if (!place) return null;
    const begun = this.past + ahead > place.at;
    const from = begun ? this.past + ahead - place.at : 0;
    const written = Math.min(place.frames, samples.length / this.channels) - from;
    if (written <= 0) return null;
    const faded = begun ? Math.min(fade, written) : 0;
    this.overwrite(place.at + from - this.past, samples.subarray(from * this.channels), written, faded);
    return { written, from };
  }

  /** Writes frames over those from a place on, by equal gain over the first of them. */
  overwrite(at, samples, frames, faded) {
    const { channels, capacity } = this;
    for (let frame = 0; frame < frames; frame += 1) {
      const share = frame < faded ? (frame + 1) / (faded + 1) : 1;
      const to = ((this.start + at + frame) % capacity) * channels;
      for (let channel = 0; channel < channels; channel += 1) {
        const fresh = samples[frame * channels + channel];
        const old = this.samples[to + channel];
        // Written as a difference: the same music twice is the same to the bit.
        this.samples[to + channel] = share === 1 ? fresh : old + share * (fresh - old);
      }
    }
  }

  drop(frames) {
    const before = this.frames;
    super.drop(frames);
    this.past += before - this.frames;
    while (this.places.length && this.places[0].at + this.places[0].frames <= this.past) {
      this.places.shift();
    }
  }
}
