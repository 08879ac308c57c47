/** Builds the page from its parts: the arrangement, the link, the player, and the views. */

import { Player } from "./audio/player.js";
import { Background } from "./background.js";
import { Conductor } from "./conductor.js";
import { Cue } from "./cue.js";
import { Link } from "./link.js";
import { readLayout, toLayout } from "./logic/layout.js";
import { knobsOf } from "./logic/knobs.js";
import { controlsOf, streamAddress } from "./logic/protocol.js";
import { Live } from "./live.js";
import { Memory } from "./memory.js";
import { Morph } from "./morph.js";
import { download, readSession, writeSession } from "./sessions.js";
import { Notes } from "./notes.js";
import { Store } from "./store.js";
import { Takes, stamp } from "./takes.js";
import { Token } from "./token.js";
import { Uploads } from "./uploads.js";
import { CueButtons } from "./view/cue_buttons.js";
import { Health } from "./view/health.js";
import { Lane } from "./view/lane.js";
import { LiveRow } from "./view/live_row.js";
import { MorphBar } from "./view/morph_bar.js";
import { KeyboardRow } from "./view/keyboard_row.js";
import { Notice } from "./view/notice.js";
import { Pad } from "./view/pad.js";
import { Painter } from "./view/painter.js";
import { PromptForm } from "./view/prompt_form.js";
import { PromptList } from "./view/prompts.js";
import { Sampling } from "./view/sampling.js";
import { Theme } from "./view/theme.js";
import { Transport, listenForKeys } from "./view/transport.js";

const FIRST_PROMPTS = ["lo-fi piano", "warm strings", "dub techno"];
const REMEMBER_AFTER_MS = 400;

const part = (id) => document.getElementById(id);
const memory = new Memory();
const token = new Token();
const store = new Store();
const player = new Player();
const link = new Link(() => token.address("ws/stream"));
const conductor = new Conductor(link, store, player, token);
const cue = new Cue(store, conductor);
const morph = new Morph(store);
const notice = new Notice(part);
// Without a stream, live input is dropped.
const live = new Live((message) => conductor.started && link.sendNow(message));
const notes = new Notes((pitches) => conductor.playNotes(pitches));
const uploads = new Uploads(store, (file, name) => conductor.upload(file, name));

const list = new PromptList(part("prompt-list"), store, goOn);
const sampling = new Sampling(part("sampling-rows"), store);
const pad = new Pad(part("pad"), store, {
  rename: (id) => list.edit(id),
  add: (place) => list.edit(store.add({ kind: "text", name: "new prompt", ...place }).id),
  files: (files, place) => uploads.take(files, place),
});
const lane = new Lane(part("lane"), store, morph);
const morphBar = new MorphBar(part, morph, pad);
const theme = new Theme(part("theme"), memory, () => store.changed());
const transport = new Transport(part, {
  toggle,
  reset: () => conductor.reset(),
  volume: (volume) => player.setVolume(volume),
});
const health = new Health(part);
new CueButtons(part, cue, morph);
const liveRow = new LiveRow(part, live, (text) => notice.show(text));
const keyboardRow = new KeyboardRow(part, notes, (text) => notice.show(text));
const background = new Background(player, { toggle, playing: () => conductor.playing });
const views = [pad, list, sampling, lane, morphBar];
const painter = new Painter(part, { store, player, conductor, morph, theme, transport, health, views });
const takes = new Takes(
  player,
  { button: part("record"), text: part("record-text"), link: part("download") },
  () => conductor.format,
);

async function toggle() {
  const obstacle = Player.obstacle();
  if (obstacle) notice.show(obstacle);
  else if (conductor.playing) await conductor.pause();
  else if (conductor.format) {
    try {
      await player.open(conductor.format.sample_rate_hz, conductor.format.channels);
    } catch {
      notice.show("The audio player could not be loaded from the server: try again.");
      return;
    }
    await conductor.play();
  }
}

/** Starts the music again as if it had played a prompt's clip itself. */
async function goOn(id) {
  const prompt = store.point(id);
  if (!conductor.goOn(prompt.upload)) return;
  prompt.state = "Reading the file, to go on from it";
  store.changed();
  const waits = new AbortController();
  const over = () => {
    waits.abort();
    prompt.state = "";
    store.changed();
  };
  const answered = ({ detail: { type, of } }) => {
    if (type === "restarted" || (type === "refused" && of === "reset")) over();
  };
  conductor.addEventListener("message", answered, waits);
  link.addEventListener("lost", over, waits);
  if (!conductor.playing) await toggle();
}

async function save() {
  try {
    const session = conductor.begun ? await conductor.save() : null;
    download(await writeSession(store, session), `soundstage-${stamp()}.soundstage`);
  } catch (error) {
    notice.show(`The session could not be saved: ${error.message}.`);
  }
}

async function open(file) {
  try {
    const { layout, clips, session } = readSession(await file.text());
    morph.rest();
    cue.leave(); // a cue would keep the opened arrangement unheard
    store.arrange(layout, clips);
    conductor.reopen(session);
    uploads.again();
  } catch (error) {
    notice.show(`${file.name} could not be opened: ${error.message}.`);
  }
}

/** Restores the arrangement of the last visit, or makes a first one. */
function arrange() {
  try {
    store.arrange(readLayout(memory.read("layout")));
  } catch {
    for (const name of FIRST_PROMPTS) store.add({ kind: "text", name });
  }
}

/** Offers the present music to other players, and names it where the system shows it. */
function offer() {
  if (!conductor.format) return;
  const controls = controlsOf(store.sounding);
  background.name(controls.texts.join(", ") || conductor.ready.pipeline);
  part("stream").href = streamAddress(controls, token.value);
  part("stream").hidden = false;
}
store.subscribe(offer);

let remembering = null;
store.subscribe(() => {
  clearTimeout(remembering);
  remembering = setTimeout(() => memory.write("layout", toLayout(store)), REMEMBER_AFTER_MS);
});

conductor.addEventListener("ready", () => {
  notice.hide();
  part("about").textContent = conductor.about;
  sampling.offer(knobsOf(conductor.ready.controls));
  liveRow.offer(Boolean(conductor.ready.takes?.inject));
  notes.chunk_s = conductor.chunk_s;
  notes.forget();
  keyboardRow.offer(conductor.hearsNotes);
  list.canGoOn = Boolean(conductor.ready.takes?.continue);
  uploads.again();
  offer();
});
conductor.addEventListener("admitted", () => notice.hide());
conductor.addEventListener("told", ({ detail }) => {
  const asks = detail.token
    ? { token: (given) => { token.keep(given); notice.hide(); link.open(); } }
    : detail.again ? { action: "Try again", act: () => { notice.hide(); link.open(); } } : {};
  notice.show(detail.text, asks);
});
cue.addEventListener("cannot", ({ detail }) => {
  notice.show(`The change cannot be prepared: ${detail}. Drop still works, but is heard later.`, { calm: true });
});
link.addEventListener("state", () => transport.showLink(link));
player.addEventListener("overflow", () => notice.show("The buffer is full: some music was dropped."));

part("save").addEventListener("click", save);
part("open").addEventListener("click", () => part("open-file").click());
part("open-file").addEventListener("change", ({ target }) => {
  if (target.files.length) open(target.files[0]);
  target.value = "";
});
new PromptForm(part, store, uploads);
listenForKeys({ " ": toggle, c: () => cue.toggle(), d: () => cue.drop() });
arrange();
painter.run();
link.open();

// For the console and for tests.
globalThis.soundstage = { store, player, background, conductor, cue, live, morph, link, notes, takes };
