/** The client of the server: starts a stream, steers and plays it, and passes chunks to the player. */

import { fromBase64, toBase64 } from "./logic/layout.js";
import { changesOf, controlsOf, isStyle, readChunk } from "./logic/protocol.js";

const STEER_EVERY_MS = 100;
// A drag steers ten times a second. With `again` each time, the server would make ten chunks a
// second, nearly all for points that the drag has left. So `again` is sent once a drag has rested
// for this long. A replayed morph never rests, and never sends it.
const REST_MS = 250;
// Close codes of the server (apps/server/auth.py).
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;

export class Conductor extends EventTarget {
  /**
   * @param {import("./link.js").Link} link
   * @param {import("./store.js").Store} store
   * @param {import("./audio/player.js").Player} player
   * @param {import("./token.js").Token} token
   */
  constructor(link, store, player, token) {
    super();
    Object.assign(this, { link, store, player, token });
    this.ready = null;
    this.slack_s = null;
    this.playing = false;
    this.begun = false;
    this.sent = {};
    this.steered = 0;
    this.saved = null;
    this.opened = null;
    // Sessions behind the chunk that is described and behind the last one that arrived, and whether
    // the stream was started from it.
    this.coming = this.reached = null;
    this.goingOn = false;
    // The newest chunk that was passed to the player.
    this.newest = -1;
    this.stale = false;
    // Whether there was no place when the page wanted to play.
    this.waiting = false;
    // Whether the server has confirmed a stream, which live input needs.
    this.started = false;
    link.addEventListener("message", ({ detail }) => this.hear(detail));
    link.addEventListener("frame", ({ detail }) => this.chunk(detail));
    link.addEventListener("lost", ({ detail }) => this.lost(detail));
    store.subscribe(() => this.steerSoon());
  }

  get format() {
    return this.ready?.format ?? null;
  }

  get chunk_s() {
    return this.format?.chunk_s ?? 2;
  }

  /** The pipeline's name and note. */
  get about() {
    return [this.ready.pipeline, this.ready.note].filter(Boolean).join(": ");
  }

  /** The name of the control for notes; undefined = the pipeline hears none. */
  get notesControl() {
    const controls = Object.entries(this.ready?.controls ?? {});
    return controls.find(([, { kind }]) => kind === "asked notes")?.[0];
  }

  get hearsNotes() {
    return this.notesControl !== undefined;
  }

  /** Plays notes: MIDI pitches that sound from the next chunk on; none = the model decides. */
  playNotes(pitches) {
    if (this.started) this.link.send({ type: "steer", controls: { [this.notesControl]: pitches } });
  }

  /** The controls of the arrangement. */
  controls() {
    return controlsOf(this.store);
  }

  hear(message) {
    if (message.type === "ready") this.welcome(message);
    else if (message.type === "chunk") this.describe(message);
    else if (message.type === "started") this.begin();
    else if (message.type === "restarted") this.restart();
    else if (message.type === "session") this.keep(message.data);
    else if (message.type === "full") this.full(message);
    else if (message.type === "refused") this.complain(message);
    else if (message.type === "failed") this.fail(message);
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  /** Reads the description of a chunk. */
  describe({ slack_s, not_understood, session }) {
    this.coming = session ?? null;
    this.slack_s = slack_s ?? this.slack_s;
    if (slack_s < 0) this.player.late(-slack_s);
    this.store.report(not_understood ?? {});
  }

  begin() {
    this.started = true;
    this.stale = false;
  }

  restart() {
    // After a reset from a clip, the old music plays until the new music is there.
    if (!this.stale) this.clear();
    this.stale = false;
  }

  fail(message) {
    this.started = false;
    this.reached = null; // it would fail again
    this.tell({ text: `The music stopped: ${message.reason}.`, again: true });
  }

  welcome(message) {
    this.ready = message;
    this.link.settled();
    this.dispatchEvent(new Event("ready"));
    this.start();
  }

  /** Requests a stream, which goes on from the saved session if one was opened. */
  start() {
    // Not the arrangement: after a lost connection a cue stays unheard.
    this.sent = controlsOf(this.store.sounding);
    this.stale = false;
    // A stream that was lost goes on after the last chunk that arrived.
    const from = this.opened ?? this.reached;
    const session = from ? { session: from } : {};
    this.goingOn = !this.opened && from !== null;
    // While the link is down, the session is kept for the next attempt.
    if (this.link.send({ type: "start", resumable: true, controls: this.sent, ...session })) this.opened = null;
    if (this.playing) this.link.send({ type: "play" });
  }

  full({ of, reason, retry_after_s }) {
    if (of === "prepare") return; // the music goes on; see Cue
    this.tell({ text: `No place is free: ${reason}. The page tries again in ${Math.ceil(retry_after_s)} s.` });
    if (of !== "play") {
      this.link.retry(retry_after_s);
      return;
    }
    this.waiting = true;
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.playing && this.link.send({ type: "play" }), 1000 * retry_after_s);
  }

  /** Plays after it has waited for a place. */
  admitted() {
    this.waiting = false;
    this.dispatchEvent(new Event("admitted"));
  }

  complain({ of, reason }) {
    if (of === "prepare") return;
    this.saved?.reject(new Error(reason));
    this.saved = null;
    if (of === "reset") this.stale = false;
    if (of === "start" && this.goingOn) {
      this.startAnew(reason);
      return;
    }
    this.tell({ text: of === "start" ? `The server refused the stream: ${reason}.` : `The server refused the change: ${reason}.` });
  }

  /** Starts the music again, for it cannot go on: the server's pipeline is another one. */
  startAnew(reason) {
    this.clear();
    this.start();
    this.tell({ text: `The music starts again: ${reason}.` });
  }

  /** Drops the buffered music, and does not go on from it. */
  clear() {
    this.reached = this.coming = null;
    this.newest = -1;
    this.player.clear();
  }

  tell(detail) {
    this.dispatchEvent(new CustomEvent("told", { detail }));
  }

  chunk(frame) {
    if (this.stale) return; // made before the reset
    if (this.waiting) this.admitted();
    this.begun = true;
    this.reached = this.coming;
    const chunk = readChunk(frame);
    // A stream that goes on elsewhere may repeat chunks that were made again before the loss.
    chunk.again ||= chunk.chunk <= this.newest;
    this.newest = Math.max(this.newest, chunk.chunk);
    this.player.feed(chunk);
  }

  lost({ code, reason }) {
    this.started = false;
    clearTimeout(this.resting);
    this.slack_s = null;
    if (!this.reached) this.clear();
    this.saved?.reject(new Error("the connection was lost"));
    this.saved = null;
    if (code === UNAUTHORIZED) {
      this.link.refuse();
      const text = this.token.value ? "The access token is wrong." : "This server needs an access token.";
      this.tell({ text, token: true });
    } else if (code === FORBIDDEN) {
      this.link.refuse();
      this.tell({ text: `The server refused this page: ${reason}.`, again: true });
    }
  }

  steerSoon() {
    if (this.timer || !this.ready) return;
    const wait_ms = Math.max(0, this.steered + STEER_EVERY_MS - performance.now());
    this.timer = setTimeout(() => this.steer(), wait_ms);
  }

  /** Sends the changes that are to be heard. */
  steer() {
    this.timer = null;
    this.steered = performance.now();
    const changes = this.unheard();
    if (Object.keys(changes).length) this.change(changes, false);
  }

  /** The changes of the arrangement since the last steer. */
  changes() {
    return changesOf(this.controls(), this.sent);
  }

  /** The changes to be heard: the same, except during a cue (see Cue). */
  unheard() {
    return changesOf(controlsOf(this.store.sounding), this.sent);
  }

  /**
   * Changes controls.
   *
   * @param {Record<string, unknown>} changes new values by name; may be empty.
   * @param {boolean} again whether chunks that are made but not needed yet are made again.
   */
  change(changes, again) {
    clearTimeout(this.resting);
    if (!this.link.send({ type: "steer", controls: changes, again })) return;
    this.sent = { ...this.sent, ...changes };
    if (!again && this.playing && isStyle(changes)) {
      this.resting = setTimeout(() => this.change(this.unheard(), true), REST_MS);
    }
  }

  async play() {
    this.playing = true;
    this.link.send({ type: "play" });
    await this.player.want(true);
  }

  async pause() {
    this.playing = false;
    clearTimeout(this.asking);
    this.link.send({ type: "pause" });
    await this.player.want(false);
  }

  /** Starts the music again. */
  reset() {
    clearTimeout(this.resting);
    this.clear();
    this.stale = this.link.send({ type: "reset" });
  }

  /** Starts again as if the music had played an upload; until the server answers, it goes on. */
  goOn(upload) {
    clearTimeout(this.resting);
    return this.link.send({ type: "reset", continue: upload });
  }

  /** Uploads an audio file; resolves with the upload's name. */
  async upload(file, name) {
    const form = new FormData();
    form.append("file", file, file.name || name);
    const headers = this.token.value ? { authorization: `Bearer ${this.token.value}` } : {};
    const answer = await fetch("uploads", { method: "POST", body: form, headers });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.error ?? `the server answered ${answer.status}`);
    return said.upload;
  }

  /** Resolves with the server's saved session, as bytes. */
  save() {
    return new Promise((resolve, reject) => {
      this.saved?.reject(new Error("another save was started"));
      this.saved = { resolve, reject };
      if (!this.link.send({ type: "save" })) this.lost({});
    });
  }

  keep(data) {
    this.saved?.resolve(fromBase64(data));
    this.saved = null;
  }

  /** Starts a new stream, which goes on from a saved session; null = from none. */
  reopen(session) {
    this.opened = session && toBase64(session);
    this.started = false;
    this.clear();
    this.link.send({ type: "stop" });
    this.start();
    this.stale = true;
  }
}
