/** Records the played music, and offers it as a file. */

import { encodeWav } from "./logic/wav.js";
import { clock } from "./view/clock.js";

// Ten minutes of stereo in memory is 230 MB: enough for a take.
const LONGEST_S = 600;

export class Takes {
  /**
   * @param {import("./audio/player.js").Player} player
   * @param {{button: HTMLElement, text: HTMLElement, link: HTMLAnchorElement}} parts
   * @param {() => {sample_rate_hz: number, channels: number} | null} format the audio format of the stream; null before there is one.
   */
  constructor(player, parts, format) {
    Object.assign(this, parts);
    this.player = player;
    this.format = format;
    this.blocks = [];
    this.frames = 0;
    this.stop = null;
    this.button.addEventListener("click", () => (this.stop ? this.end() : this.begin()));
  }

  begin() {
    if (!this.format()) return;
    this.blocks = [];
    this.frames = 0;
    this.stop = this.player.tap((samples) => this.take(samples));
    this.show();
  }

  take(samples) {
    this.blocks.push(samples);
    this.frames += samples.length / this.format().channels;
    this.show();
    if (this.frames > LONGEST_S * this.format().sample_rate_hz && this.stop) this.end();
  }

  async end() {
    const stop = this.stop;
    this.stop = null;
    await stop();
    this.show();
    if (!this.frames) return;
    const { channels, sample_rate_hz } = this.format();
    const file = new Blob([encodeWav(this.blocks, channels, sample_rate_hz)], { type: "audio/wav" });
    this.blocks = [];
    URL.revokeObjectURL(this.link.href);
    this.link.href = URL.createObjectURL(file);
    this.link.download = `soundstage-${stamp()}.wav`;
    this.link.textContent = `Download ${clock(this.frames / sample_rate_hz)}`;
    this.link.hidden = false;
  }

  show() {
    const seconds = this.frames / (this.format()?.sample_rate_hz ?? 1);
    this.button.setAttribute("aria-pressed", String(Boolean(this.stop)));
    this.text.textContent = this.stop ? `Stop ${clock(seconds)}` : "Record";
  }
}

/** The present time, for the name of a file. */
export function stamp() {
  return new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
}
