/** Sends its input, mixed to one channel, in packets of 16-bit samples. */

const PACKET_S = 0.1;
const FULL_SCALE = 32767;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.packet = new Int16Array(Math.round(PACKET_S * sampleRate));
    this.filled = 0;
    this.peak = 0;
  }

  process([channels]) {
    // An input that is silent or unconnected has no channels.
    const frames = channels[0]?.length ?? 0;
    for (let frame = 0; frame < frames; frame += 1) {
      const mixed = channels.reduce((sum, channel) => sum + channel[frame], 0) / channels.length;
      this.peak = Math.max(this.peak, Math.abs(mixed));
      this.packet[this.filled] = Math.round(FULL_SCALE * Math.max(-1, Math.min(1, mixed)));
      this.filled += 1;
      if (this.filled === this.packet.length) this.hand();
    }
    return true;
  }

  hand() {
    this.port.postMessage({ samples: this.packet, peak: this.peak }, [this.packet.buffer]);
    this.packet = new Int16Array(Math.round(PACKET_S * sampleRate));
    this.filled = 0;
    this.peak = 0;
  }
}

registerProcessor("capture", Capture);
