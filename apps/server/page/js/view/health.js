/** The buffer and its target, the slack of the server, and the underruns. */

const BUFFER_SHOWN_S = 6;

export class Health {
  /** @param {(id: string) => HTMLElement} part finds the elements of the page. */
  constructor(part) {
    this.part = part;
  }

  /**
   * @param {import("../audio/player.js").Player} player
   * @param {{slack_s: number | null, chunk_s: number}} server
   */
  show({ status }, { slack_s, chunk_s }) {
    const buffer = this.part("buffer-gauge");
    const fill = (seconds, whole) => Math.min(100, Math.max(0, (100 * seconds) / whole));
    buffer.style.setProperty("--fill", fill(status.buffered_s, BUFFER_SHOWN_S));
    buffer.style.setProperty("--mark", fill(status.target_s, BUFFER_SHOWN_S));
    buffer.classList.toggle("low", status.flowing && status.buffered_s < status.target_s / 2);
    buffer.setAttribute("aria-valuenow", status.buffered_s.toFixed(1));
    buffer.setAttribute("aria-valuemax", BUFFER_SHOWN_S);
    buffer.title = `Target ${status.target_s.toFixed(2)} s`;
    this.part("buffer").textContent = `${status.buffered_s.toFixed(1)} s`;
    const slack = this.part("slack-gauge");
    slack.style.setProperty("--fill", fill(slack_s ?? 0, chunk_s));
    slack.classList.toggle("low", slack_s !== null && slack_s < 0.1 * chunk_s);
    slack.setAttribute("aria-valuenow", (slack_s ?? 0).toFixed(2));
    slack.setAttribute("aria-valuemax", chunk_s);
    this.part("slack").textContent = slack_s === null ? "" : `${slack_s.toFixed(2)} s`;
    this.part("underruns").textContent = status.underruns;
    const told = status.busy ? `Much is buffered: changes are heard ${Math.round(status.target_s)} s later` : "";
    if (told !== this.part("buffer-told").textContent) this.part("buffer-told").textContent = told;
    this.part("underruns").classList.toggle("alarm", status.underruns > 0);
  }
}
