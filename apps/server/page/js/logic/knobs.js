/** Which numbers a player may turn, and how far: the scalar controls that a pipeline declares. */

/**
 * Sliders first, then the numbers without a usual range, such as a seed; each in the pipeline's order.
 *
 * @param {Record<string, {default?: unknown, dtype: string, kind: string, label?: string,
 *     help?: string, usual?: [number, number], step?: number, minimum?: number, maximum?: number}>}
 *     controls the controls of a pipeline, by name, as the server describes them.
 * @returns {{name: string, label: string, title: string, slides: boolean, dice: boolean,
 *     least: number, most: number, step: number | "any", value: number}[]} slides: it has a usual
 *     range, from least to most; dice: another value is as good; value: the pipeline's default.
 */
export function knobsOf(controls) {
  const knobs = Object.entries(controls)
    .filter(([, control]) => typeof control.default === "number")
    .map(([name, control]) => knobOf(name, control));
  return [...knobs.filter(({ slides }) => slides), ...knobs.filter(({ slides }) => !slides)];
}

function knobOf(name, { default: value, kind, label, help, usual, step, minimum, maximum }) {
  const farthest = Number.MAX_SAFE_INTEGER;
  const [least, most] = usual ?? [minimum ?? -farthest, maximum ?? farthest];
  const looks = { label: label ?? name, title: help ?? "", step: step ?? "any" };
  return { ...looks, name, slides: Boolean(usual), dice: kind === "seed", least, most, value };
}
