/** What the player has arranged: prompts, listener, sampling, morph. Every view is drawn from it. */

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
    this.listeners = new Set();
    this.due = false;
    // What sounds, while what is arranged is not to be heard yet.
    this.kept = null;
  }

  /** From now on what is arranged is pending; see `restore` and `release`. */
  keep() {
    const { prompts, listener, sampling } = this;
    // Not copies: files may reach the server meanwhile, and those of prompts that are gone are heard.
    const places = prompts.map((prompt) => ({ prompt, then: { name: prompt.name, x: prompt.x, y: prompt.y } }));
    this.kept = { places, listener: { ...listener }, sampling: { ...sampling }, tracks: { ...this.tracks } };
    this.changed();
  }

  /** Returns to what sounds. */
  restore() {
    const { places, listener, sampling, tracks } = this.kept;
    for (const { prompt: { id } } of places) {
      // A prompt that comes back moves as it did.
      if (!this.point(id) && tracks[id]) this.tracks[id] = tracks[id];
    }
    this.prompts = places.map(({ prompt, then }) => Object.assign(prompt, then));
    Object.assign(this.listener, listener);
    Object.assign(this.sampling, sampling);
    this.release();
  }

  /** What is arranged is what sounds. */
  release() {
    this.kept = null;
    this.changed();
  }

  /** What sounds, {prompts, listener, sampling}: what is arranged, unless that is pending. */
  get sounding() {
    if (!this.kept) return this;
    const { places, listener, sampling } = this.kept;
    return { prompts: places.map(({ prompt, then }) => ({ ...prompt, ...then })), listener, sampling };
  }

  /** Every prompt whose file is needed: those arranged, and those that only sound still. */
  get needed() {
    const gone = (this.kept?.places ?? []).map(({ prompt }) => prompt).filter((prompt) => !this.prompts.includes(prompt));
    return [...this.prompts, ...gone];
  }

  /** Whether a prompt, or "listener", is not as it sounds. */
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

  /** Says that something changed. */
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

  /** Takes a prompt away, and the way it moved. */
  remove(id) {
    this.prompts = this.prompts.filter((prompt) => prompt.id !== id);
    delete this.tracks[id];
    this.changed();
  }

  /** Puts an arrangement (see logic/layout.js) in place of all there is. */
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

  /** The lowest colour no prompt has. */
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

  /** Every prompt's share at the listener's place; a file the server has not got has none. */
  weights() {
    return sharesAt(this.listener, this.prompts);
  }

  /** The colour of the mixture at the listener's place, in OKLab. */
  colour() {
    return mix(this.prompts.map((prompt) => gel(prompt.gel)), this.weights());
  }

  /** The colour of the mixture that sounds, which is another only while something is pending. */
  soundingColour() {
    const { prompts, listener } = this.sounding;
    return mix(prompts.map((prompt) => gel(prompt.gel)), sharesAt(listener, prompts));
  }

  /** The colour of a prompt as CSS. */
  colourOf(prompt, opacity = 1) {
    return css(gel(prompt.gel), opacity);
  }
}
