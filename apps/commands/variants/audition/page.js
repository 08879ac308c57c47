"use strict";
(() => {
  const main = document.querySelector("main");
  const cards = [...main.querySelectorAll(".card")];
  const tool = (id) => document.getElementById(id);
  const audioOf = (card) => card.querySelector("audio");
  const lengthOf = (card) => Number(card.querySelector(".time").dataset.seconds);
  let current = null;

  const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
  const shown = () => [...main.querySelectorAll(".card:not([hidden])")];

  // Keeps a listener's stars across visits, where the browser gives a local page storage.
  const memory = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(key);
      if (value) localStorage.setItem(key, "1");
      else localStorage.removeItem(key);
    } catch { /* without storage, only until the page is closed */ }
    return null;
  };

  function show(card) {
    const audio = audioOf(card);
    const end = lengthOf(card);
    card.style.setProperty("--played", `${100 * Math.min(1, audio.currentTime / end)}%`);
    card.querySelector(".time").textContent =
      card === current ? `${clock(audio.currentTime)} / ${clock(end)}` : clock(end);
    const playing = card === current && !audio.paused;
    card.classList.toggle("current", card === current);
    card.classList.toggle("playing", playing);
    const button = card.querySelector(".play");
    button.setAttribute("aria-label", (playing ? "Pause " : "Play ") + card.dataset.prompt);
  }

  function play(card, from) {
    const before = current;
    const moment = before && tool("same").checked ? audioOf(before).currentTime : 0;
    if (before && before !== card) audioOf(before).pause();
    current = card;
    if (before && before !== card) show(before);
    const audio = audioOf(card);
    if (from !== undefined) audio.currentTime = from;
    else if (before !== card) audio.currentTime = moment;
    // A player that is stopped before it began rejects; that is no error.
    audio.play().catch(() => show(card));
    show(card);
    card.scrollIntoView({ block: "nearest" });
  }

  function toggle(card) {
    if (card === current && !audioOf(card).paused) audioOf(card).pause();
    else play(card, card === current ? audioOf(card).currentTime : undefined);
  }

  function move(steps) {
    const list = shown();
    if (!list.length) return;
    const at = list.indexOf(current);
    const next = at < 0 ? (steps > 0 ? 0 : list.length - 1) : at + steps;
    play(list[(next + list.length) % list.length]);
  }

  function keep(card) {
    const star = card.querySelector(".star");
    const kept = star.getAttribute("aria-pressed") !== "true";
    star.setAttribute("aria-pressed", String(kept));
    memory(`soundstage ${card.dataset.key}`, kept);
    arrange();
  }

  function arrange() {
    const words = tool("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards) {
      const text = `${card.textContent} seed${card.dataset.seed}`.toLowerCase();
      const kept = card.querySelector(".star").getAttribute("aria-pressed") === "true";
      card.hidden = !words.every((word) => text.includes(word)) || (tool("kept").checked && !kept);
    }
    const by = tool("order").value;
    const compare = {
      number: () => 0,
      prompt: (a, b) => a.dataset.prompt.localeCompare(b.dataset.prompt),
      seed: (a, b) => Number(a.dataset.seed) - Number(b.dataset.seed),
      loudness: (a, b) => Number(b.dataset.loudness) - Number(a.dataset.loudness),
    }[by];
    main.append(...[...cards].sort(compare));
    tool("nothing").hidden = !cards.length || shown().length > 0;
  }

  for (const card of cards) {
    const audio = audioOf(card);
    for (const event of ["play", "pause", "seeked"])
      audio.addEventListener(event, () => show(card));
    audio.addEventListener("play", () => { if (card !== current) play(card, audio.currentTime); });
    audio.addEventListener("ended", () => { if (tool("on").checked) move(1); });
    audio.addEventListener("error", () => card.querySelector(".time").append(" - file is missing"));
    card.querySelector(".play").addEventListener("click", () => toggle(card));
    const star = card.querySelector(".star");
    star.addEventListener("click", () => keep(card));
    if (memory(`soundstage ${card.dataset.key}`)) star.setAttribute("aria-pressed", "true");
    card.querySelector(".picture").addEventListener("click", (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      play(card, (lengthOf(card) * (event.clientX - box.left)) / box.width);
    });
  }
  for (const id of ["filter", "order", "kept"]) tool(id).addEventListener("input", arrange);
  // The next key is for the page, not for the control that was clicked last.
  document.addEventListener("click", (event) => {
    const touched = event.target.closest("button, input[type=checkbox]");
    if (touched && event.detail) touched.blur();
  });

  // The players' own time events come four times a second, too seldom for a smooth position.
  (function follow() {
    if (current && !audioOf(current).paused) show(current);
    requestAnimationFrame(follow);
  })();

  const keys = {
    " ": () => (current ? toggle(current) : move(1)),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    ArrowRight: () => current && play(current, audioOf(current).currentTime + 2),
    ArrowLeft: () => current && play(current, Math.max(0, audioOf(current).currentTime - 2)),
    s: () => current && keep(current),
    "/": () => tool("filter").focus(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=search], select");
    if (typing && event.key === "Escape") event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.matches("button, input, a")) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.documentElement.classList.add("scripted");
  document.querySelector(".tools").hidden = false;
  arrange();
})();
