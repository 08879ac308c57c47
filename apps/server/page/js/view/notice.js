/** Shows one message at a time, with a button or a field for what a person can do about it. */

import { CLOSE } from "./icons.js";

export class Notice {
  /** @param {(id: string) => HTMLElement} part finds the elements of the page. */
  constructor(part) {
    this.part = part;
    part("notice-close").innerHTML = CLOSE;
    part("notice-close").addEventListener("click", () => this.hide());
    part("notice-action").addEventListener("click", () => this.act?.());
    part("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.givenToken?.(part("token").value);
    });
  }

  /**
   * Shows a message.
   *
   * @param {string} text one or two sentences.
   * @param {{calm?: boolean, action?: string, act?: () => void,
   *     token?: (token: string) => void}} more a button; a field for an access token.
   */
  show(text, { calm = false, action = "", act = null, token = null } = {}) {
    this.act = act;
    this.givenToken = token;
    this.part("notice-text").textContent = text;
    this.part("notice").dataset.mood = calm ? "calm" : "alarm";
    this.part("notice-action").hidden = !action;
    this.part("notice-action").textContent = action;
    this.part("token-form").hidden = !token;
    this.part("notice").hidden = false;
    if (token) this.part("token").focus();
  }

  hide() {
    this.part("notice").hidden = true;
  }
}
