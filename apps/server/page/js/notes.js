/** The keys that are held, which the stream hears. */

export class Notes extends EventTarget {
  /** @param {(pitches: number[]) => void} send tells the server which notes sound from now on. */
  constructor(send) {
    super();
    this.send = send;
    this.chunk_s = 0.04;
    this.held = new Map(); // pitch -> when it was pressed, in ms
    this.sustained = new Set();
    this.down = false;
  }

  press(pitch) {
    this.sustained.delete(pitch);
    this.held.set(pitch, performance.now());
    this.changed();
  }

  /** Ends a note; one that is shorter than a chunk ends later, or it would not be heard. */
  release(pitch) {
    if (!this.held.has(pitch)) return;
    if (this.down) {
      this.sustained.add(pitch);
      return;
    }
    const pressed = this.held.get(pitch);
    const rest_ms = 1000 * this.chunk_s - (performance.now() - pressed);
    if (rest_ms > 0) setTimeout(() => this.held.get(pitch) === pressed && this.end(pitch), rest_ms);
    else this.end(pitch);
  }

  end(pitch) {
    this.held.delete(pitch);
    this.changed();
  }

  /** Moves the sustain pedal. */
  pedal(down) {
    this.down = down;
    if (down) return;
    for (const pitch of this.sustained) this.held.delete(pitch);
    this.sustained.clear();
    this.changed();
  }

  /** Ends all notes. */
  panic() {
    this.down = false;
    this.held.clear();
    this.sustained.clear();
    this.changed();
  }

  /** Forgets all notes without a message: the stream has none. */
  forget() {
    this.held.clear();
    this.sustained.clear();
    this.dispatchEvent(new Event("changed"));
  }

  changed() {
    this.send([...this.held.keys()].sort((one, other) => one - other));
    this.dispatchEvent(new Event("changed"));
  }
}
