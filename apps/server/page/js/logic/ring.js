/** A ring of interleaved samples: chunks are written, and 128 frames at a time are read. */

export class Ring {
  /**
   * @param {number} frames how many frames it holds.
   * @param {number} channels samples of one frame.
   */
  constructor(frames, channels) {
    this.capacity = frames;
    this.channels = channels;
    this.samples = new Float32Array(frames * channels);
    this.start = 0;
    this.frames = 0;
  }

  /**
   * Appends interleaved samples.
   *
   * @param {Float32Array} samples whole frames.
   * @returns {number} frames written; fewer than given when the ring is full.
   */
  write(samples) {
    const frames = Math.min(samples.length / this.channels, this.capacity - this.frames);
    const at = (this.start + this.frames) % this.capacity;
    const first = Math.min(frames, this.capacity - at);
    this.samples.set(samples.subarray(0, first * this.channels), at * this.channels);
    this.samples.set(samples.subarray(first * this.channels, frames * this.channels), 0);
    this.frames += frames;
    return frames;
  }

  /** One sample of a frame, counted from the oldest; the frame must exist. */
  at(frame, channel) {
    return this.samples[((this.start + frame) % this.capacity) * this.channels + channel];
  }

  /** Drops the oldest frames. */
  drop(frames) {
    const gone = Math.min(frames, this.frames);
    this.start = (this.start + gone) % this.capacity;
    this.frames -= gone;
  }

  /** Drops all frames. */
  clear() {
    this.drop(this.frames);
  }
}
