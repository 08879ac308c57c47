/** Speaks with the server: joins, steers, plays, and hands chunks to the player. */

import { fromBase64, toBase64 } from "./logic/layout.js";
import { changesOf, controlsOf, isStyle, readChunk } from "./logic/protocol.js";

const STEER_EVERY_MS = 100;
// A drag steers ten times a second. To make chunks again for each of these would cost the server
// ten chunks a second, nearly all of them for a place the hand has left: only where it comes to
// rest, what is made ahead is made again. A replayed morph never rests, and never costs this.
const REST_MS = 250;
// Close codes of the server's guard.
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
    this.stale = false;
    // Whether there is a stream: audio may be played in.
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

  /** What plays here, for people. */
  get about() {
    return [this.ready.pipeline, this.ready.note].filter(Boolean).join(": ");
  }

  /** The controls as the page has them arranged. */
  controls() {
    return controlsOf(this.store);
  }

  hear(message) {
    if (message.type === "ready") this.welcome(message);
    else if (message.type === "chunk") this.slack_s = message.slack_s ?? this.slack_s;
    else if (message.type === "started") this.begin();
    else if (message.type === "restarted") this.restart();
    else if (message.type === "session") this.keep(message.data);
    else if (message.type === "full") this.full(message);
    else if (message.type === "refused") this.complain(message);
    else if (message.type === "failed") this.fail(message);
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  begin() {
    this.started = true;
    this.stale = false;
  }

  restart() {
    // What goes on from a clip was let play until it was there.
    if (!this.stale) this.player.clear();
    this.stale = false;
  }

  fail(message) {
    this.started = false;
    this.tell({ text: `The music stopped: ${message.reason}.`, again: true });
  }

  welcome(message) {
    this.ready = message;
    this.link.settled();
    this.dispatchEvent(new Event("ready"));
    this.start();
  }

  /** Asks for a stream, where there is none; goes on from a saved session if one was opened. */
  start() {
    // What is only cued is not to be heard because a connection was lost.
    this.sent = controlsOf(this.store.sounding);
    this.stale = false;
    const session = this.opened ? { session: this.opened } : {};
    // While the link is down, it waits.
    if (this.link.send({ type: "start", controls: this.sent, ...session })) this.opened = null;
    if (this.playing) this.link.send({ type: "play" });
  }

  full({ of, reason, retry_after_s }) {
    if (of === "prepare") return; // the music goes on; see Cue
    this.tell({ text: `No place is free: ${reason}. It is tried again by itself.` });
    this.link.retry(retry_after_s);
  }

  complain({ of, reason }) {
    if (of === "prepare") return;
    this.saved?.reject(new Error(reason));
    this.saved = null;
    if (of === "reset") this.stale = false;
    this.tell({ text: of === "start" ? `The server refused to begin: ${reason}.` : `Not taken: ${reason}.` });
  }

  tell(detail) {
    this.dispatchEvent(new CustomEvent("told", { detail }));
  }

  chunk(frame) {
    if (this.stale) return; // made before the music was asked to begin again
    this.begun = true;
    this.player.feed(readChunk(frame));
  }

  lost({ code, reason }) {
    this.started = false;
    clearTimeout(this.resting);
    this.slack_s = null;
    this.player.clear();
    this.saved?.reject(new Error("the connection was lost"));
    this.saved = null;
    if (code === UNAUTHORIZED) {
      this.link.refuse();
      const text = this.token.value ? "That is not the token of this server." : "This server wants its token.";
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

  /** Sends what is to sound and differs from what the server has. */
  steer() {
    this.timer = null;
    this.steered = performance.now();
    const changes = this.unheard();
    if (Object.keys(changes).length) this.change(changes, false);
  }

  /** What is arranged and not sent. */
  changes() {
    return changesOf(this.controls(), this.sent);
  }

  /** What is to sound and not sent: the same, while nothing is pending (see Cue). */
  unheard() {
    return changesOf(controlsOf(this.store.sounding), this.sent);
  }

  /**
   * Changes controls.
   *
   * @param {Record<string, unknown>} changes may be none.
   * @param {boolean} again whether what is made and not needed yet is made again.
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
    this.link.send({ type: "pause" });
    await this.player.want(false);
  }

  /** Begins again. */
  reset() {
    clearTimeout(this.resting);
    this.player.clear();
    this.stale = this.link.send({ type: "reset" });
  }

  /** Begins as if the music had played a clip, an upload; until that is there, all goes on. */
  goOn(upload) {
    clearTimeout(this.resting);
    return this.link.send({ type: "reset", continue: upload });
  }

  /** Hands an audio file to the server; resolves with its name there. */
  async upload(file, name) {
    const form = new FormData();
    form.append("file", file, file.name || name);
    const headers = this.token.value ? { authorization: `Bearer ${this.token.value}` } : {};
    const answer = await fetch("uploads", { method: "POST", body: form, headers });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.error ?? `the server answered ${answer.status}`);
    return said.upload;
  }

  /** The music's own memory, as bytes. */
  save() {
    return new Promise((resolve, reject) => {
      this.saved?.reject(new Error("it was asked for again"));
      this.saved = { resolve, reject };
      if (!this.link.send({ type: "save" })) this.lost({});
    });
  }

  keep(data) {
    this.saved?.resolve(fromBase64(data));
    this.saved = null;
  }

  /** Goes on from a saved session, or starts anew if there is none. */
  reopen(session) {
    this.opened = session && toBase64(session);
    this.started = false;
    this.player.clear();
    this.link.send({ type: "stop" });
    this.start();
    this.stale = true;
  }
}
