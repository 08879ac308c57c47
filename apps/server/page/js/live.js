/** Playing in: a microphone, or a file in real time, as packets for the server. */

import { playedIn } from "./logic/protocol.js";

export class Live extends EventTarget {
  /** @param {(message: ArrayBuffer) => void} send takes a packet, or lets it go. */
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
   * Plays in from a microphone.
   *
   * @param {string} device its id; "" = the usual one.
   */
  async microphone(device) {
    // What makes speech clear makes music ugly.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    if (device) audio.deviceId = { exact: device };
    if (!navigator.mediaDevices) throw new Error("this page may not use a microphone");
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    await this.open((context) => new MediaStreamAudioSourceNode(context, { mediaStream: stream }), stream);
    // Unplugged, or forbidden meanwhile.
    stream.getAudioTracks()[0].addEventListener("ended", () => this.close());
  }

  /** Plays in a file from its beginning to its end. */
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

  /** Builds the graph around a source; its microphone is let go whatever happens. */
  async open(sourceOf, stream = null) {
    await this.close();
    this.stream = stream;
    // One of its own: microphones have rates of their own, and the server takes any.
    const context = new AudioContext();
    this.context = context;
    try {
      await context.audioWorklet.addModule(new URL("audio/capture.js", import.meta.url));
      const capture = new AudioWorkletNode(context, "capture", { numberOfInputs: 1, numberOfOutputs: 1 });
      capture.port.onmessage = ({ data }) => context === this.context && this.hear(data);
      // Its output is silent: it is connected to be called at all.
      capture.connect(context.destination);
      (await sourceOf(context)).connect(capture);
      await context.resume();
    } catch (error) {
      // Unless something else is played in by now.
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

  /** Stops, and lets go of the microphone. */
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
