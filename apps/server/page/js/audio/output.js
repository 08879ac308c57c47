/**
 * Where the player's sound goes: to the loudspeaker, on phones through an audio element.
 *
 * Phones suspend Web Audio when they are locked or the page is in the background. They let an
 * audio element play on.
 */

const FADED_MS = 200;
const PHONE = "(pointer: coarse)";

export class Output {
  /** @param {AudioContext} context the player's. */
  constructor(context) {
    this.context = context;
    this.node = context.destination;
    this.element = null;
    if (!matchMedia(PHONE).matches || !globalThis.MediaStreamAudioDestinationNode) return;
    this.node = new MediaStreamAudioDestinationNode(context);
    this.element = new Audio();
    this.element.srcObject = this.node.stream;
  }

  /** Starts or pauses the audio element; the first start needs a click. */
  async want(wanted) {
    if (!this.element) return;
    this.wanted = wanted;
    // After the fade-out.
    if (!wanted) setTimeout(() => this.wanted || this.element?.pause(), FADED_MS);
    else await this.element.play().catch(() => this.bypass());
  }

  /** Plays without the element, if the browser refuses it. */
  bypass() {
    if (!this.element) return;
    const source = new MediaStreamAudioSourceNode(this.context, { mediaStream: this.node.stream });
    source.connect(this.context.destination);
    this.element = null;
  }
}
