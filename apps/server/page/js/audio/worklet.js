/** Plays interleaved chunks from one ring; fades instead of clicking at every gap. */

import { ChunkRing } from "../logic/chunks.js";
import { JitterPolicy } from "../logic/jitter.js";

const RING_S = 30;
const FADE_S = 0.01;
// The cross-fade to a replaced chunk: too short to blur a beat, too long to click.
const CHANGE_S = 0.02;
// Frames so close to the one that plays are not changed any more.
const AHEAD_S = 0.005;
const STATUS_S = 0.1;

class ChunkPlayer extends AudioWorkletProcessor {
  constructor({ processorOptions: { channels } }) {
    super();
    this.channels = channels;
    this.ring = new ChunkRing(Math.round(RING_S * sampleRate), channels);
    this.policy = new JitterPolicy();
    this.last = new Float32Array(channels);
    this.gain = 0;
    this.phase = 0;
    // The rate while the phase is not 0.
    this.rate = 1;
    // When the buffer ran dry, until the next chunk arrives; null = it is not dry.
    this.dry = null;
    // Frames in the ring to fade out of and then drop.
    this.stale = 0;
    this.wanted = false;
    this.flowing = false;
    this.chunk_s = 0;
    this.firstCame = 0;
    this.played = 0;
    this.peak = 0;
    this.untilStatus = 0;
    this.taken = null;
    this.port.onmessage = ({ data }) => this.obey(data);
  }

  obey({ samples, chunk, again, wanted, clear, tap, late_s }) {
    if (late_s !== undefined) this.policy.missed(late_s);
    if (samples && again) this.change(chunk, samples);
    else if (samples) this.arrive(chunk, samples);
    if (wanted !== undefined) this.wanted = wanted;
    if (!this.wanted) this.dry = null;
    if (clear) this.clear();
    if (tap !== undefined) this.tap(tap);
  }

  clear() {
    this.stale = this.ring.frames;
    this.dry = null;
    this.ring.forget();
  }

  arrive(chunk, samples) {
    const left = this.ring.frames;
    if (this.flowing) this.policy.arrived(left / sampleRate);
    if (left === this.stale) this.firstCame = currentTime;
    if (this.dry !== null) this.policy.missed(currentTime - this.dry);
    this.dry = null;
    const frames = samples.length / this.channels;
    const written = this.ring.append(chunk, samples);
    this.chunk_s = frames / sampleRate;
    if (written < frames) this.port.postMessage({ lost: frames - written });
  }

  /** Replaces a chunk by another of the same index, from the position that plays now. */
  change(chunk, samples) {
    const ahead = this.flowing ? Math.round(AHEAD_S * sampleRate) : 0;
    const changed = this.ring.replace(chunk, samples, ahead, Math.round(CHANGE_S * sampleRate));
    const sounding = this.flowing ? this.ring.chunk : null;
    this.port.postMessage({ changed: { chunk, sounding, written: 0, ...changed } });
  }

  /** Copies the played samples from now on, or sends the rest of the copy. */
  tap(on) {
    if (on) this.taken = [];
    else {
      this.sendTaken();
      this.taken = null;
      this.port.postMessage({ tapEnded: true });
    }
  }

  process(_inputs, [out]) {
    const frames = out[0].length;
    this.begin();
    for (let frame = 0; frame < frames; frame += 1) this.playFrame(out, frame);
    this.end(frames);
    if (this.taken && this.flowing) this.keep(out, frames);
    this.report(frames);
    return true;
  }

  begin() {
    if (this.stale && this.gain === 0) {
      this.ring.drop(this.stale);
      this.stale = 0;
      this.played = 0;
      this.flowing = false;
    }
    const buffered_s = this.ring.frames / sampleRate;
    if (this.flowing || !this.wanted) return;
    const waited_s = currentTime - this.firstCame;
    this.flowing = this.policy.ready(buffered_s, this.chunk_s, waited_s);
  }

  playFrame(out, frame) {
    const enough = this.ring.frames > FADE_S * sampleRate;
    const open = this.wanted && this.flowing && enough && !this.stale;
    const step = 1 / (FADE_S * sampleRate);
    this.gain = open ? Math.min(1, this.gain + step) : Math.max(0, this.gain - step);
    if (this.gain === 0 || this.ring.frames === 0) return;
    for (let channel = 0; channel < this.channels; channel += 1) {
      const sample = this.gain * this.sampleNow(channel);
      out[channel][frame] = sample;
      this.peak = Math.max(this.peak, Math.abs(sample));
    }
    this.advance();
  }

  /** The next sample: one of the ring, or one between two of them while the rate is not 1. */
  sampleNow(channel) {
    const { ring, phase } = this;
    if (phase === 0 || ring.frames < 3) return ring.at(0, channel);
    const [before, from, to, after] = [
      this.last[channel], ring.at(0, channel), ring.at(1, channel), ring.at(2, channel),
    ];
    // Cubic Hermite through four points.
    const slope = 0.5 * (to - before);
    const bend = before - 2.5 * from + 2 * to - 0.5 * after;
    const twist = 0.5 * (after - before) + 1.5 * (from - to);
    return ((twist * phase + bend) * phase + slope) * phase + from;
  }

  advance() {
    if (this.policy.rate !== 1) this.rate = this.policy.rate;
    const adapting = this.policy.rate !== 1 || this.phase !== 0;
    this.phase += adapting ? this.rate : 1;
    while (this.phase >= 1) {
      for (let channel = 0; channel < this.channels; channel += 1) {
        this.last[channel] = this.ring.at(0, channel);
      }
      this.ring.drop(1);
      if (this.stale) this.stale -= 1;
      this.played += 1;
      this.phase -= 1;
      // Adapted: from the next whole frame on, samples are played at the right speed.
      if (this.policy.rate === 1) this.phase = 0;
      if (this.ring.frames === 0) this.phase = 0;
    }
  }

  end(frames) {
    if (!this.flowing) return;
    if (this.wanted) this.policy.played(frames / sampleRate);
    const dry = this.gain === 0 && this.ring.frames <= FADE_S * sampleRate;
    if (this.wanted && dry && !this.stale) {
      this.flowing = false;
      this.dry = currentTime;
      this.policy.underrun();
    } else if (!this.wanted && this.gain === 0) {
      this.flowing = false;
    }
  }

  keep(out, frames) {
    const block = new Float32Array(frames * this.channels);
    for (let frame = 0; frame < frames; frame += 1) {
      for (let channel = 0; channel < this.channels; channel += 1) {
        block[frame * this.channels + channel] = out[channel][frame];
      }
    }
    this.taken.push(block);
    if (this.taken.length >= 64) this.sendTaken();
  }

  sendTaken() {
    if (!this.taken?.length) return;
    const size = this.taken.reduce((total, block) => total + block.length, 0);
    const tapped = new Float32Array(size);
    let at = 0;
    for (const block of this.taken) {
      tapped.set(block, at);
      at += block.length;
    }
    this.taken = [];
    this.port.postMessage({ tapped }, [tapped.buffer]);
  }

  report(frames) {
    this.untilStatus -= frames;
    if (this.untilStatus > 0) return;
    this.untilStatus = STATUS_S * sampleRate;
    const { policy, played, peak, flowing } = this;
    this.port.postMessage({
      status: {
        buffered_s: this.ring.frames / sampleRate,
        target_s: policy.target_s,
        underruns: policy.underruns,
        catchingUp: policy.rate !== 1,
        busy: policy.busy,
        played_s: played / sampleRate,
        chunk: this.ring.chunk,
        flowing,
        peak,
      },
    });
    this.peak = 0;
  }
}

registerProcessor("chunk-player", ChunkPlayer);
