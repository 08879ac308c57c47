import assert from "node:assert/strict";
import test from "node:test";
import { Link } from "../../../../../apps/server/page/js/link.js";

/** Stands for a browser's socket: what is sent is kept, and how much waits is what a test says. */
class Socket {
  static OPEN = 1;
  static all = [];

  constructor(address) {
    Object.assign(this, { address, readyState: Socket.OPEN, bufferedAmount: 0, sent: [] });
    Socket.all.push(this);
  }

  send(message) {
    this.sent.push(message);
  }

  close() {
    this.readyState = 3;
  }
}

globalThis.WebSocket = Socket;

function opened() {
  Socket.all = [];
  const link = new Link(() => "ws://here/");
  link.open();
  return { link, socket: Socket.all[0] };
}

test("objects go as JSON, audio as it is", () => {
  const { link, socket } = opened();
  const audio = new ArrayBuffer(4);
  assert.ok(link.send({ type: "play" }) && link.sendNow(audio));
  assert.deepEqual(socket.sent, ['{"type":"play"}', audio]);
});

test("a slow network drops live input but no change", () => {
  const { link, socket } = opened();
  socket.bufferedAmount = 1e6;
  assert.equal(link.sendNow(new ArrayBuffer(4)), false);
  assert.equal(link.send({ type: "steer" }), true);
  assert.deepEqual(socket.sent, ['{"type":"steer"}']);
});

test("opening again closes the old socket without reporting a loss", () => {
  const { link, socket } = opened();
  let losses = 0;
  link.addEventListener("lost", () => (losses += 1));
  link.open();
  assert.equal(socket.readyState, 3);
  socket.onclose({});
  assert.deepEqual([losses, Socket.all.length], [0, 2]);
  assert.equal(link.socket, Socket.all[1]);
});
