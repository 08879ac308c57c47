/** Live input: a microphone, or a file in real time, as packets for the server. */

import { playedIn } from "./logic/protocol.js";

export class Live extends EventTarget {
  /** @param {(message: ArrayBuffer) => void} send sends a packet, or drops it. */
  constructor(send) {
    super();
    this.send = send;
    this.context = null;
    this.stream = null;
    this.level = 0;
    this.packets = 0;
  }

  get on() {
    return this.context !== null;
  }

  /**
   * Starts live input from a microphone.
   *
   * @param {string} device its id; "" = the default one.
   */
  async microphone(device) {
    // Processing for speech distorts music.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    if (device) audio.deviceId = { exact: device };
    if (!navigator.mediaDevices) throw new Error("this page may not use a microphone");
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    await this.open((context) => new MediaStreamAudioSourceNode(context, { mediaStream: stream }), stream);
    // The microphone was unplugged, or its permission was withdrawn.
    stream.getAudioTracks()[0].addEventListener("ended", () => this.close());
  }

  /** Starts live input from a file, which ends with the file. */
  async file(file) {
    const bytes = await file.arrayBuffer();
    await this.open(async (context) => {
      const buffer = await context.decodeAudioData(bytes);
      const source = new AudioBufferSourceNode(context, { buffer });
      source.addEventListener("ended", () => context === this.context && this.close());
      source.start();
      return source;
    });
  }

  /** Builds the audio graph of a source; releases the microphone if that fails. */
  async open(sourceOf, stream = null) {
    await this.close();
    this.stream = stream;
    // A context of its own: microphones have their own rates, and the server accepts any.
    const context = new AudioContext();
    this.context = context;
    try {
      await context.audioWorklet.addModule(new URL("audio/capture.js", import.meta.url));
      const capture = new AudioWorkletNode(context, "capture", { numberOfInputs: 1, numberOfOutputs: 1 });
      capture.port.onmessage = ({ data }) => context === this.context && this.hear(data);
      // Its output is silent; a node without a destination is never called.
      capture.connect(context.destination);
      (await sourceOf(context)).connect(capture);
      await context.resume();
    } catch (error) {
      // Unless another source has been started since.
      if (context === this.context) await this.close();
      throw error;
    }
    this.changed();
  }

  hear({ samples, peak }) {
    this.level = peak;
    this.packets += 1;
    this.send(playedIn(samples, this.context.sampleRate));
    this.changed();
  }

  /** Stops, and releases the microphone. */
  async close() {
    const context = this.context;
    this.context = null;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.level = 0;
    this.changed();
    await context?.close();
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }
}
