/** Which numbers a player may turn, and how far: what a pipeline declares, made sensible. */

// What a hand wants of the ranges a pipeline allows; the pipeline's own limits still hold.
const SENSIBLE = {
  temperature: { label: "Temperature", least: 0, most: 3, step: 0.05, title: "How daring each choice is; 0 always takes the likeliest" },
  top_k: { label: "Top k", least: 0, most: 200, step: 1, title: "How many choices are considered; 0 considers all" },
  guidance: { label: "Guidance", least: 0, most: 10, step: 0.1, title: "How closely the music follows the prompts; 0 lets it wander" },
  inject_own: { label: "Own share", least: 0, most: 1, step: 0.05, title: "How much of its own music the model hears beside what is played in" },
  inject_gap_s: { label: "Input gap", least: 0, most: 1, step: 0.05, title: "Seconds of silence at the input's end: with more of it the music answers more freely" },
  seed: { label: "Seed", least: 0, most: Number.MAX_SAFE_INTEGER, step: 1, title: "The same seed and the same moves make the same music" },
};

/**
 * @param {Record<string, {default: number, minimum?: number | null, maximum?: number | null}>}
 *     controls the scalar controls of a pipeline, by name.
 * @returns {{name: string, label: string, title: string, least: number, most: number,
 *     step: number, value: number}[]} value: the pipeline's default.
 */
export function knobsOf(controls) {
  return Object.entries(SENSIBLE)
    .filter(([name]) => typeof controls[name]?.default === "number")
    .map(([name, sensible]) => {
      const { default: value, minimum, maximum } = controls[name];
      const least = Math.max(sensible.least, minimum ?? -Infinity);
      const most = Math.min(Math.max(sensible.most, value), maximum ?? Infinity);
      return { ...sensible, name, least, most, value };
    });
}
