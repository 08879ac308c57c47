/** Speaks with the server: joins, steers, plays, and hands chunks to the player. */

import { promptControls, readChunk } from "./logic/protocol.js";

const STEER_EVERY_MS = 100;

export class Conductor extends EventTarget {
  /**
   * @param {import("./link.js").Link} link
   * @param {import("./store.js").Store} store
   * @param {import("./audio/player.js").Player} player
   */
  constructor(link, store, player) {
    super();
    Object.assign(this, { link, store, player });
    this.ready = null;
    this.slack_s = null;
    this.playing = false;
    this.begun = false;
    this.sent = {};
    this.steered = 0;
    this.awaited = new Map();
    link.addEventListener("message", ({ detail }) => this.hear(detail));
    link.addEventListener("frame", ({ detail }) => this.chunk(detail));
    link.addEventListener("lost", () => this.lost());
    store.subscribe(() => this.steerSoon());
  }

  get format() {
    return this.ready?.format ?? null;
  }

  get chunk_s() {
    return this.format?.chunk_s ?? 2;
  }

  get about() {
    return "";
  }

  /** The controls as the page has them arranged. */
  controls() {
    return { ...promptControls(this.store.prompts, this.store.weights()), ...this.store.sampling };
  }

  hear(message) {
    if (message.type === "ready") this.welcome(message);
    else if (message.type === "chunk") this.slack_s = message.slack_s ?? this.slack_s;
    else this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  welcome(message) {
    this.ready = message;
    this.link.settled();
    this.dispatchEvent(new Event("ready"));
    this.sent = this.controls();
    this.link.send({ type: "start", controls: this.sent });
    if (this.playing) this.link.send({ type: "play" });
  }

  chunk(frame) {
    this.begun = true;
    this.player.feed(readChunk(frame).samples);
  }

  lost() {
    this.slack_s = null;
    this.player.clear();
  }

  steerSoon() {
    if (this.timer || !this.ready) return;
    const wait_ms = Math.max(0, this.steered + STEER_EVERY_MS - performance.now());
    this.timer = setTimeout(() => this.steer(), wait_ms);
  }

  /** Sends what differs from what the server has. */
  steer() {
    this.timer = null;
    this.steered = performance.now();
    const controls = this.controls();
    const differs = (name) => JSON.stringify(controls[name]) !== JSON.stringify(this.sent[name]);
    const changed = Object.keys(controls).filter(differs);
    if (!changed.length) return;
    const changes = Object.fromEntries(changed.map((name) => [name, controls[name]]));
    if (this.link.send({ type: "steer", controls: changes })) this.sent = { ...this.sent, ...changes };
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

  reset() {
    this.player.clear();
    this.link.send({ type: "reset" });
  }

  async upload() { return "u0"; }
  async save() { return null; }
  reopen() {}
}
