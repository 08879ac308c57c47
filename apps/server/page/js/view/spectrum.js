/** The last seconds of music as a spectrogram, in the colours of their mixtures. */

import { toRgb } from "../logic/colour.js";
import { Strip } from "./wave.js";

const [LOWEST_HZ, HIGHEST_HZ] = [40, 16000];
const [QUIET_DB, LOUD_DB] = [-96, -24];

export class Spectrum {
  constructor(canvas) {
    this.strip = new Strip(canvas);
  }

  /** Draws the music since the last call (see Wave.draw). */
  draw(analyser, seconds, colour, dark) {
    const { context, from, width, height } = this.strip.advance(seconds);
    if (width === from || !height) return;
    this.bins ??= new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(this.bins);
    const image = context.createImageData(1, height);
    const shades = ramp(colour, dark);
    const edges = this.edges(analyser, height);
    for (let row = 0; row < height; row += 1) {
      const loudest = this.bins.subarray(edges[row + 1], edges[row] + 1).reduce((a, b) => Math.max(a, b));
      const part = Math.min(1, Math.max(0, (loudest - QUIET_DB) / (LOUD_DB - QUIET_DB)));
      image.data.set(shades[Math.round(part * (shades.length - 1))], 4 * row);
    }
    for (let column = from; column < width; column += 1) context.putImageData(image, column, 0);
  }

  /** The bin at the upper edge of every row, from the highest note down. */
  edges(analyser, height) {
    if (this.rowEdges?.length === height + 1) return this.rowEdges;
    const perBin_hz = analyser.context.sampleRate / analyser.fftSize;
    this.rowEdges = Array.from({ length: height + 1 }, (_, row) => {
      const hz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (1 - row / height);
      return Math.round(hz / perBin_hz);
    });
    return this.rowEdges;
  }
}

/** From silence, which is clear, through the mixture's colour to white light or dark ink. */
function ramp([lightness, a, b], dark) {
  return Array.from({ length: 64 }, (_, step) => {
    const part = step / 63;
    const end = dark ? 0.97 : 0.3;
    const toEnd = Math.max(0, (part - 0.55) / 0.45);
    const lab = [lightness + toEnd * (end - lightness), a * (1 - 0.7 * toEnd), b * (1 - 0.7 * toEnd)];
    return [...toRgb(lab), Math.round(255 * Math.min(1, part * 1.6))];
  });
}
