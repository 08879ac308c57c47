/** The last seconds of music as a waveform that moves left. */

import { css } from "../logic/colour.js";

const SHOWN_S = 6;

/** A canvas on which time moves left, a column at a time. */
export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.owed = 0;
  }

  /**
   * Moves the picture left by the time since the last call.
   *
   * @param {number} seconds since the last call.
   * @returns {{context: CanvasRenderingContext2D, from: number, width: number, height: number,
   *     scale: number}} all in the canvas's own pixels; from: the first new column.
   */
  advance(seconds) {
    const { canvas } = this;
    const scale = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale].map(Math.round);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    this.owed += (seconds * width) / SHOWN_S;
    const columns = Math.min(width, Math.floor(this.owed));
    this.owed -= columns;
    if (columns) {
      context.globalCompositeOperation = "copy";
      context.drawImage(canvas, -columns, 0);
      context.globalCompositeOperation = "source-over";
    }
    return { context, from: width - columns, width, height, scale };
  }
}

export class Wave {
  constructor(canvas) {
    this.strip = new Strip(canvas);
    this.samples = new Float32Array(4096);
  }

  /**
   * Draws the music since the last call.
   *
   * @param {AnalyserNode} analyser
   * @param {number} seconds since the last call.
   * @param {number[]} colour of the mixture, OKLab.
   */
  draw(analyser, seconds, colour) {
    const { context, from, width, height, scale } = this.strip.advance(seconds);
    const columns = width - from;
    if (!columns) return;
    analyser.getFloatTimeDomainData(this.samples);
    const heard = Math.min(this.samples.length, Math.round(seconds * analyser.context.sampleRate));
    const perColumn = heard / columns;
    context.fillStyle = css(colour);
    for (let column = 0; column < columns; column += 1) {
      const start = this.samples.length - heard + Math.floor(column * perColumn);
      const slice = this.samples.subarray(start, start + Math.max(1, Math.ceil(perColumn)));
      const loudest = slice.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
      const half = Math.max(scale / 2, Math.sqrt(loudest) * 0.48 * height);
      context.fillRect(from + column, height / 2 - half, 1, 2 * half);
    }
  }
}
