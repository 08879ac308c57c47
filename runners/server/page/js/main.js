/** Puts the page together: store, link, player, views. */

import { Player } from "./audio/player.js";
import { Conductor } from "./conductor.js";
import { Link } from "./link.js";
import { toRgb } from "./logic/colour.js";
import { Memory } from "./memory.js";
import { Morph } from "./morph.js";
import { Store } from "./store.js";
import { Takes } from "./takes.js";
import { clock } from "./view/clock.js";
import { paintField } from "./view/field.js";
import { Health } from "./view/health.js";
import { PAUSE, PLAY } from "./view/icons.js";
import { Lane } from "./view/lane.js";
import { paintLines } from "./view/lines.js";
import { Notice } from "./view/notice.js";
import { Pad } from "./view/pad.js";
import { PromptList } from "./view/prompts.js";
import { Sampling } from "./view/sampling.js";
import { Spectrum } from "./view/spectrum.js";
import { Theme } from "./view/theme.js";
import { Wave } from "./view/wave.js";

const part = (id) => document.getElementById(id);
const memory = new Memory();
const store = new Store();
const player = new Player();
const link = new Link(() => new URL("ws/stream", location.href).href.replace(/^http/, "ws"));
const conductor = new Conductor(link, store, player);
const morph = new Morph(store);
const notice = new Notice(part);
const health = new Health(part);
const list = new PromptList(part("prompt-list"), store);
const sampling = new Sampling(part("sampling-rows"), store);
const lane = new Lane(part("lane"), store, morph);
const wave = new Wave(part("wave"));
const spectrum = new Spectrum(part("spectrum"));
let painted = "";
const theme = new Theme(part("theme"), memory, () => { painted = ""; store.changed(); });
const pad = new Pad(part("pad"), store, {
  rename: (id) => list.edit(id),
  add: (place) => { const p = store.add({ kind: "text", name: "new prompt", ...place }); list.show(); pad.show(); list.edit(p.id); },
  files: () => {},
});
new Takes(player, { button: part("record"), text: part("record-text"), link: part("download") }, () => conductor.ready?.format);
for (const name of ["lo-fi piano", "warm strings", "dub techno"]) store.add({ kind: "text", name });

store.subscribe(() => {
  document.documentElement.style.setProperty("--mix", `rgb(${toRgb(store.colour()).join(" ")})`);
  pad.show(); list.show(); sampling.show(); lane.show(theme.dark);
  const state = JSON.stringify([store.prompts.map(({ x, y, gel }) => [x, y, gel]), theme.dark]);
  if (state !== painted) { painted = state; paintField(part("field"), store.prompts, theme.dark); }
});
let level = 0, before = performance.now();
function frame(now) {
  const seconds = (now - before) / 1000; before = now;
  level += (Math.min(1, player.status.peak) - level) * Math.min(1, 8 * seconds);
  paintLines(part("lines"), store, { dark: theme.dark, level });
  if (player.analyser && player.status.flowing) { wave.draw(player.analyser, seconds, store.colour()); spectrum.draw(player.analyser, seconds, store.colour(), theme.dark); }
  health.show(player, conductor);
  part("clock").textContent = clock(player.status.played_s);
  part("morph-time").textContent = `${clock(morph.at_s)} / ${clock(morph.length_s)}`;
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);
part("play").innerHTML = PLAY;
part("play").addEventListener("click", async () => {
  if (conductor.playing) { await conductor.pause(); }
  else { await player.open(conductor.ready.format.sample_rate_hz, conductor.ready.format.channels); await conductor.play(); }
  part("play").innerHTML = conductor.playing ? PAUSE : PLAY;
});
conductor.addEventListener("ready", () => {
  part("link-text").textContent = "Connected"; part("link").dataset.state = "open";
  sampling.offer([
    { name: "temperature", label: "Temperature", title: "", least: 0, most: 4, step: 0.05, value: 1.1 },
    { name: "top_k", label: "Top k", title: "", least: 0, most: 1024, step: 1, value: 40 },
    { name: "guidance", label: "Guidance", title: "", least: 0, most: 10, step: 0.1, value: 5 },
    { name: "seed", label: "Seed", title: "", least: 0, most: 1e9, step: 1, value: 0 },
  ]);
});
part("morph-record").addEventListener("click", () => morph.record());
part("morph-replay").addEventListener("click", () => morph.replay());
globalThis.soundstage = { store, morph, player, conductor };
link.open();
