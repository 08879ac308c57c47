/** Colours of prompts and their mixtures, mixed in OKLab: halfway looks halfway. */

// Hues of stage lights, ordered so that neighbours in the list are far apart on the wheel.
const HUES = [62, 255, 352, 165, 300, 100, 215, 28];
const LIGHTNESS = 0.74;
const CHROMA = 0.145;

/** The OKLab colour [lightness, a, b] of the n-th prompt. */
export function gel(index) {
  const hue = (HUES[index % HUES.length] * Math.PI) / 180;
  return [LIGHTNESS, CHROMA * Math.cos(hue), CHROMA * Math.sin(hue)];
}

/**
 * A weighted mean of colours.
 *
 * @param {number[][]} labs OKLab colours.
 * @param {number[]} shares one a colour, sum 1.
 * @returns {number[]} OKLab; a quiet grey for no colours.
 */
export function mix(labs, shares) {
  const sum = [0, 0, 0];
  labs.forEach((lab, index) => {
    for (let axis = 0; axis < 3; axis += 1) sum[axis] += shares[index] * lab[axis];
  });
  return labs.length ? sum : [LIGHTNESS, 0, 0];
}

/** OKLab to sRGB, three whole numbers in [0, 255]. */
export function toRgb([lightness, a, b]) {
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * middle + 1.707614701 * short,
  ];
  return linear.map((value) => {
    const held = Math.min(1, Math.max(0, value));
    const coded = held <= 0.0031308 ? 12.92 * held : 1.055 * held ** (1 / 2.4) - 0.055;
    return Math.round(255 * coded);
  });
}

/** A CSS colour of an OKLab one, with opacity in [0, 1]. */
export function css(lab, opacity = 1) {
  return `rgb(${toRgb(lab).join(" ")} / ${opacity})`;
}
