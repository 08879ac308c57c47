import assert from "node:assert/strict";
import test from "node:test";
import { Uploads } from "../../../../../apps/server/page/js/uploads.js";

/** A store of one audio prompt, and uploads that end when the test lets them. */
function handing() {
  const prompt = { kind: "audio", name: "piano", file: {} };
  const sent = [];
  const send = () => new Promise((resolve, reject) => sent.push({ resolve, reject }));
  const store = { needed: [prompt], changed() {} };
  return { prompt, sent, uploads: new Uploads(store, send) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("an uploaded file is no longer silent", async () => {
  const { prompt, sent, uploads } = handing();
  uploads.again();
  assert.deepEqual([prompt.upload, prompt.silent, prompt.state], [undefined, true, "Uploading"]);
  sent[0].resolve("u1");
  await settled();
  assert.deepEqual([prompt.upload, prompt.silent, prompt.state], ["u1", false, ""]);
});

test("the answer to an earlier upload is ignored", async () => {
  for (const late of [({ resolve }) => resolve("old"), ({ reject }) => reject(new Error("lost"))]) {
    const { prompt, sent, uploads } = handing();
    uploads.again();
    uploads.again();
    sent[1].resolve("new");
    await settled();
    late(sent[0]);
    await settled();
    assert.deepEqual([prompt.upload, prompt.silent, prompt.state], ["new", false, ""]);
  }
});

test("a refused file stays silent and shows the reason", async () => {
  const { prompt, sent, uploads } = handing();
  uploads.again();
  sent[0].reject(new Error("it is no audio"));
  await settled();
  assert.deepEqual([prompt.upload, prompt.silent], [undefined, true]);
  assert.match(prompt.state, /it is no audio/);
});
