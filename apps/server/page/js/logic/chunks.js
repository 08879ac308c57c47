/** A ring that knows the positions of its chunks, so that one can be replaced. */

import { Ring } from "./ring.js";

export class ChunkRing extends Ring {
  constructor(frames, channels) {
    super(frames, channels);
    // Frames that have left the ring since it was made: the position of its oldest frame.
    this.past = 0;
    this.forget();
  }

  /** The index of the chunk of the oldest frame, or null. */
  get chunk() {
    const [oldest] = this.places;
    return oldest && oldest.at <= this.past ? oldest.chunk : null;
  }

  /** Forgets the chunks' indices, for the music starts again; the frames stay. */
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
   * Replaces the chunk of the same index, as far as that is not played yet.
   *
   * Earlier chunks are not touched, for the new chunk goes on from them. Later chunks stay until
   * they are replaced themselves: old music is better than a gap.
   *
   * @param {number} chunk its index; a chunk later than all in the ring is appended.
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

  /** Overwrites frames from a position on; the first of them are cross-faded at equal gain. */
  overwrite(at, samples, frames, faded) {
    const { channels, capacity } = this;
    for (let frame = 0; frame < frames; frame += 1) {
      const share = frame < faded ? (frame + 1) / (faded + 1) : 1;
      const to = ((this.start + at + frame) % capacity) * channels;
      for (let channel = 0; channel < channels; channel += 1) {
        const fresh = samples[frame * channels + channel];
        const old = this.samples[to + channel];
        // Written as a difference: replacing music by itself changes no bit.
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
