/**
 * Cue and drop: a change is arranged unheard, prepared by the server, and heard at once.
 *
 * During a cue no change is sent. When the arrangement has rested, the server is asked to prepare
 * it. `drop` changes over to it, prepared or not.
 */

const REST_MS = 300;

export class Cue extends EventTarget {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./conductor.js").Conductor} conductor
   */
  constructor(store, conductor) {
    super();
    Object.assign(this, { store, conductor });
    this.on = false;
    // "off", "same" as what sounds, "making", "made" (prepared), or "late" (cannot be prepared).
    this.state = "off";
    this.asked = null;
    store.subscribe(() => this.on && this.arranged());
    conductor.addEventListener("message", ({ detail }) => this.on && this.hear(detail));
    conductor.link.addEventListener("lost", () => this.on && this.forgotten());
  }

  hear({ type, of, reason, prepared }) {
    // A steer ends what was prepared; during a cue one is sent when an upload has ended.
    if (type === "started" || type === "steered") this.askAnew();
    else if (type === "failed") this.forgotten();
    else if (type === "chunk" && this.asked && this.state !== "late") this.enter(prepared ? "made" : "making");
    else if (["full", "refused"].includes(type) && of === "prepare") this.cannot(reason);
  }

  toggle() {
    if (this.on) this.leave();
    else this.begin();
  }

  begin() {
    this.on = true;
    this.store.keep();
    this.enter("same");
  }

  /** Ends the cue with its change; a prepared change is heard at once. */
  drop() {
    if (!this.on) return;
    const changes = this.conductor.changes();
    this.end();
    this.store.release();
    if (Object.keys(changes).length) this.conductor.change(changes, true);
  }

  /** Ends the cue without its change. */
  leave() {
    if (!this.on) return;
    if (this.asked) this.conductor.link.send({ type: "prepare", controls: null });
    this.end();
    this.store.restore();
  }

  end() {
    clearTimeout(this.timer);
    this.asked = null;
    this.on = false;
    this.enter("off");
  }

  arranged() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), REST_MS);
  }

  askAnew() {
    this.forgotten();
    this.arranged();
  }

  /** Notes that the server has nothing prepared any more. */
  forgotten() {
    if (this.asked) this.enter("making");
    this.asked = null;
  }

  /** Asks the server to prepare the arrangement, unless that was its last request. */
  ask() {
    if (!this.conductor.started) return; // `hear` asks once there is a stream
    const changes = this.conductor.changes();
    const wanted = Object.keys(changes).length ? JSON.stringify(changes) : null;
    if (wanted === this.asked) return;
    const sent = this.conductor.link.send({ type: "prepare", controls: wanted && changes });
    this.asked = sent ? wanted : null;
    this.enter(wanted ? "making" : "same");
  }

  cannot(reason) {
    this.enter("late");
    this.dispatchEvent(new CustomEvent("cannot", { detail: reason }));
  }

  enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
