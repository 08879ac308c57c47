/** The row of live input: its source, a button, and its level. */

const QUIET_DB = -60;
const FILE = "file";

export class LiveRow {
  /**
   * @param {(id: string) => HTMLElement} part finds the elements of the page.
   * @param {import("../live.js").Live} live
   * @param {(text: string) => void} tell shows an error.
   */
  constructor(part, live, tell) {
    Object.assign(this, { part, live, tell });
    part("live").addEventListener("click", () => (live.on ? live.close() : this.begin()));
    part("live-file").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) this.attempt(() => live.file(file), `${file.name} cannot be played`);
    });
    // Another source was chosen: it replaces the one that is on.
    part("live-source").addEventListener("change", () => live.on && this.begin());
    live.addEventListener("changed", () => this.show());
    globalThis.navigator.mediaDevices?.addEventListener("devicechange", () => this.list());
  }

  /** Shows the row, or hides it if the pipeline has no live input. */
  offer(taken) {
    this.part("live-row").hidden = !taken;
    if (taken) this.list();
    else if (this.live.on) this.live.close();
  }

  begin() {
    const source = this.part("live-source").value;
    if (source === FILE) this.part("live-file").click();
    else this.attempt(() => this.live.microphone(source), "The microphone cannot be used").then(() => this.list());
  }

  async attempt(act, failed) {
    try {
      await act();
    } catch (error) {
      this.tell(`${failed}: ${error.message}.`);
    }
  }

  /** Lists the microphones; browsers hide their names until one may be used. */
  async list() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    const named = devices.filter(({ kind, deviceId, label }) => kind === "audioinput" && label && deviceId !== "default");
    const field = this.part("live-source");
    const chosen = field.value;
    const options = [["", "Microphone"], ...named.map(({ deviceId, label }) => [deviceId, label]), [FILE, "Audio file"]];
    field.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    if (options.some(([value]) => value === chosen)) field.value = chosen;
  }

  show() {
    const { on, level } = this.live;
    const button = this.part("live");
    button.setAttribute("aria-pressed", String(on));
    this.part("live-text").textContent = on ? "Stop" : "Start input";
    const level_db = 20 * Math.log10(Math.max(level, 1e-6));
    const fill = Math.max(0, Math.min(100, 100 * (1 - level_db / QUIET_DB)));
    const gauge = this.part("live-level");
    gauge.style.setProperty("--fill", fill);
    gauge.classList.toggle("low", level >= 0.99);
    gauge.setAttribute("aria-valuenow", Math.max(QUIET_DB, level_db).toFixed(0));
  }
}
