/** The arrangement: prompts, listener, sampling, morph. Every view is drawn from it. */

import { clamp, freePlace, sharesAt } from "./logic/weights.js";
import { css, gel, mix } from "./logic/colour.js";

const FIRST_PLACES = [
  { x: 0.24, y: 0.3 },
  { x: 0.77, y: 0.24 },
  { x: 0.58, y: 0.78 },
];

export class Store {
  constructor() {
    this.prompts = [];
    this.listener = { x: 0.42, y: 0.5 };
    this.sampling = {};
    this.tracks = {};
    this.made = 0;
    // By text prompt, its words that the server does not understand.
    this.notUnderstood = {};
    this.listeners = new Set();
    this.due = false;
    // During a cue, a copy of the arrangement that sounds.
    this.kept = null;
  }

  /** Keeps the arrangement that sounds, until `restore` or `release`; changes are pending. */
  keep() {
    const { prompts, listener, sampling } = this;
    // The prompts themselves, not copies: an upload that ends meanwhile must reach them.
    const places = prompts.map((prompt) => ({ prompt, then: { name: prompt.name, x: prompt.x, y: prompt.y } }));
    this.kept = { places, listener: { ...listener }, sampling: { ...sampling }, tracks: { ...this.tracks } };
    this.changed();
  }

  /** Restores the arrangement that sounds. */
  restore() {
    const { places, listener, sampling, tracks } = this.kept;
    for (const { prompt: { id } } of places) {
      // A prompt that comes back gets its morph track again.
      if (!this.point(id) && tracks[id]) this.tracks[id] = tracks[id];
    }
    this.prompts = places.map(({ prompt, then }) => Object.assign(prompt, then));
    Object.assign(this.listener, listener);
    Object.assign(this.sampling, sampling);
    this.release();
  }

  /** Makes the pending arrangement the one that sounds. */
  release() {
    this.kept = null;
    this.changed();
  }

  /** The arrangement that sounds, {prompts, listener, sampling}. */
  get sounding() {
    if (!this.kept) return this;
    const { places, listener, sampling } = this.kept;
    return { prompts: places.map(({ prompt, then }) => ({ ...prompt, ...then })), listener, sampling };
  }

  /** Every prompt whose file is needed: those of the arrangement, and those that still sound. */
  get needed() {
    const gone = (this.kept?.places ?? []).map(({ prompt }) => prompt).filter((prompt) => !this.prompts.includes(prompt));
    return [...this.prompts, ...gone];
  }

  /** Whether a prompt, or "listener", has pending changes. */
  isPending(id) {
    if (!this.kept) return false;
    const now = this.point(id);
    const { listener, prompts } = this.sounding;
    const then = id === "listener" ? listener : prompts.find((prompt) => prompt.id === id);
    return !then || now.x !== then.x || now.y !== then.y || now.name !== then.name;
  }

  /** Calls a function after every change, once for changes made together. */
  subscribe(view) {
    this.listeners.add(view);
  }

  /** Reports a change to the subscribers. */
  changed() {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => {
      this.due = false;
      for (const view of this.listeners) view(this);
    });
  }

  /** Adds a prompt {kind, name, ...} where there is room, or at its x and y. */
  add(prompt) {
    const place = FIRST_PLACES[this.prompts.length] ?? freePlace(this.prompts);
    const added = { id: `p${this.made}`, gel: this.freeGel(), ...place, ...prompt };
    this.made += 1;
    this.prompts.push(added);
    this.changed();
    return added;
  }

  /** Removes a prompt and its morph track. */
  remove(id) {
    this.prompts = this.prompts.filter((prompt) => prompt.id !== id);
    delete this.tracks[id];
    this.changed();
  }

  /** Replaces the arrangement (see logic/layout.js). */
  arrange({ prompts, listener, sampling, tracks }, files = {}) {
    this.prompts = prompts.map((prompt) => ({
      ...prompt,
      file: files[prompt.id],
      silent: prompt.kind === "audio",
    }));
    this.made = 1 + Math.max(-1, ...prompts.map(({ id }) => Number(id.slice(1)) || 0));
    this.listener = listener;
    Object.assign(this.sampling, sampling);
    this.tracks = tracks;
    this.changed();
  }

  /** The lowest number of a colour that no prompt has. */
  freeGel() {
    const taken = new Set(this.prompts.map((prompt) => prompt.gel));
    let index = 0;
    while (taken.has(index)) index += 1;
    return index;
  }

  /** The point of a name: a prompt's, or "listener"'s. */
  point(id) {
    return id === "listener" ? this.listener : this.prompts.find((prompt) => prompt.id === id);
  }

  /** Moves a point, held on the pad. */
  move(id, x, y) {
    const point = this.point(id);
    if (!point) return;
    point.x = clamp(x);
    point.y = clamp(y);
    this.changed();
  }

  /** Keeps the words that the server does not understand, {text prompt: words}. */
  report(notUnderstood) {
    if (JSON.stringify(notUnderstood) === JSON.stringify(this.notUnderstood)) return;
    this.notUnderstood = notUnderstood;
    this.changed();
  }

  /** Every prompt's share at the listener's position; 0 for a file that is not uploaded. */
  weights() {
    return sharesAt(this.listener, this.prompts);
  }

  /** The colour of the mixture at the listener's position, in OKLab. */
  colour() {
    return mix(this.prompts.map((prompt) => gel(prompt.gel)), this.weights());
  }

  /** The colour of the mixture that sounds, which differs during a cue. */
  soundingColour() {
    const { prompts, listener } = this.sounding;
    return mix(prompts.map((prompt) => gel(prompt.gel)), sharesAt(listener, prompts));
  }

  /** The colour of a prompt as CSS. */
  colourOf(prompt, opacity = 1) {
    return css(gel(prompt.gel), opacity);
  }
}
