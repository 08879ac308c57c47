/** The form below the prompts: a text, or an audio file. */

export class PromptForm {
  /**
   * @param {(id: string) => HTMLElement} part finds the elements of the page.
   * @param {import("../store.js").Store} store
   * @param {import("../uploads.js").Uploads} uploads
   */
  constructor(part, store, uploads) {
    part("add-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = part("add-text").value.trim();
      if (name) store.add({ kind: "text", name });
      part("add-text").value = "";
      part("add-text").focus();
    });
    part("add-audio").addEventListener("click", () => part("audio-file").click());
    part("audio-file").addEventListener("change", ({ target }) => {
      uploads.take(target.files);
      target.value = "";
    });
  }
}
