/** One WebSocket that is opened again when it is lost, after a growing time. */

import { waitBefore } from "./logic/backoff.js";

// Some 0.7 s of live input: if more is unsent, the network is too slow for it.
const MOST_WAITING_BYTES = 64 * 1024;

export class Link extends EventTarget {
  /** @param {() => string} address returns the address; called before each attempt. */
  constructor(address) {
    super();
    this.address = address;
    this.attempt = 0;
    this.state = "closed";
  }

  open() {
    clearTimeout(this.timer);
    this.socket?.close(); // after a failed stream the socket is still open
    this.enter("connecting");
    const socket = new WebSocket(this.address());
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      const name = typeof data === "string" ? "message" : "frame";
      const detail = typeof data === "string" ? JSON.parse(data) : data;
      this.dispatchEvent(new CustomEvent(name, { detail }));
    };
    socket.onclose = (event) => {
      if (socket === this.socket) this.lost(event);
    };
  }

  /** Resets the waiting time, for the server has answered. */
  settled() {
    this.attempt = 0;
    this.enter("open");
  }

  /** Stops trying until `open` is called. */
  refuse() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.enter("refused");
  }

  /** Disconnects, and tries again after at least some seconds. */
  retry(after_s) {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.wait(after_s);
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(message instanceof ArrayBuffer ? message : JSON.stringify(message));
    return true;
  }

  /** Sends live input, or drops it if much is unsent: later changes would wait behind it. */
  sendNow(message) {
    return !(this.socket?.bufferedAmount > MOST_WAITING_BYTES) && this.send(message);
  }

  lost(event) {
    this.dispatchEvent(new CustomEvent("lost", { detail: event }));
    if (this.state !== "refused") this.wait(0);
  }

  wait(asked_s) {
    const wait_s = waitBefore(this.attempt, Math.random(), asked_s);
    this.attempt += 1;
    this.enter("waiting", wait_s);
    this.timer = setTimeout(() => this.open(), 1000 * wait_s);
  }

  enter(state, wait_s = 0) {
    this.state = state;
    this.wait_s = wait_s;
    this.dispatchEvent(new Event("state"));
  }
}
