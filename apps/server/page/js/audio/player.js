/** Plays chunks on the loudspeaker; its output can be analysed and recorded. */

import { Output } from "./output.js";

export class Player extends EventTarget {
  constructor() {
    super();
    this.context = null;
    this.status = { buffered_s: 0, target_s: 0, underruns: 0, busy: false, played_s: 0, flowing: false, peak: 0 };
    this.volume = 0.9;
    this.wanted = false;
    this.pending = [];
    this.taps = new Set();
  }

  /** The reason why this page cannot play, or null. */
  static obstacle() {
    if (!globalThis.AudioContext) return "This browser has no Web Audio.";
    if (!globalThis.isSecureContext) {
      return "Browsers play live audio only from localhost or over https: serve this page with TLS, or open it on the machine itself.";
    }
    return null;
  }

  /**
   * Builds the audio graph; many browsers allow that only after a click or a key press.
   *
   * @param {number} rate_hz the stream's sample rate.
   * @param {number} channels the stream's number of channels.
   * @throws {Error} its script could not be loaded; a later call may succeed.
   */
  async open(rate_hz, channels) {
    if (this.context) return;
    const context = new AudioContext({ sampleRate: rate_hz, latencyHint: "playback" });
    this.context = context;
    try {
      await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    } catch (error) {
      this.context = null;
      await context.close();
      throw error;
    }
    this.node = new AudioWorkletNode(context, "chunk-player", {
      numberOfInputs: 0,
      outputChannelCount: [channels],
      processorOptions: { channels },
    });
    this.node.port.onmessage = ({ data }) => this.hear(data);
    this.gain = new GainNode(context, { gain: this.volume });
    this.analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 });
    this.node.connect(this.analyser);
    this.output = new Output(context);
    this.node.connect(this.gain).connect(this.output.node);
    context.addEventListener("statechange", () => this.goOn());
    for (const message of this.pending) this.send(message);
    this.pending = [];
  }

  /**
   * Moves a chunk into the ring; its samples cannot be used afterwards.
   *
   * @param {{chunk: number, again: boolean, samples: Float32Array}} chunk see readChunk; `again`:
   *     it replaces the chunk of its index, and the event "changed" reports from where.
   */
  feed({ chunk, again, samples }) {
    this.send({ samples, chunk, again }, [samples.buffer]);
  }

  /** Plays, or fades out and keeps the buffered music. */
  async want(wanted) {
    this.wanted = wanted;
    this.send({ wanted });
    await this.output?.want(wanted);
    if (wanted) await this.context?.resume();
  }

  /** Plays on if the browser has suspended the audio although it is wanted. */
  goOn() {
    if (!this.wanted || !this.context || this.context.state === "running") return;
    // Some browsers allow it only when the page is visible again, and call this again then.
    this.context.resume().catch(() => {});
  }

  /** Buffers more from now on, for a chunk was so many seconds late. */
  late(seconds) {
    this.send({ late_s: seconds });
  }

  /** Drops the buffered music. */
  clear() {
    this.send({ clear: true });
  }

  /** Loudness in [0, 1]. */
  setVolume(volume) {
    this.volume = volume;
    this.gain?.gain.setTargetAtTime(volume, this.context.currentTime, 0.02);
  }

  /**
   * Copies everything that is played from now on, before the volume.
   *
   * @param {(samples: Float32Array) => void} take called with interleaved samples.
   * @returns {() => Promise<void>} ends the copy; resolves after the last samples.
   */
  tap(take) {
    this.taps.add(take);
    if (this.taps.size === 1) this.send({ tap: true });
    return async () => {
      const ended = new Promise((resolve) => {
        this.addEventListener("flushed", resolve, { once: true });
      });
      // The worklet sends one copy to all takers; the others go on.
      this.send({ tap: false });
      await ended;
      this.taps.delete(take);
      if (this.taps.size) this.send({ tap: true });
    };
  }

  send(message, moved = []) {
    if (this.node) this.node.port.postMessage(message, moved);
    else this.pending.push(message);
  }

  hear({ status, tapped, tapEnded, lost, changed }) {
    if (status) {
      this.status = status;
      this.dispatchEvent(new Event("status"));
    }
    if (tapped) for (const take of this.taps) take(tapped);
    if (tapEnded) this.dispatchEvent(new Event("flushed"));
    if (changed) this.dispatchEvent(new CustomEvent("changed", { detail: changed }));
    if (lost) this.dispatchEvent(new Event("overflow"));
  }
}
