/** Audio files as prompts: uploaded, and uploaded again when the server has lost them. */

export class Uploads {
  /**
   * @param {import("./store.js").Store} store
   * @param {(file: Blob, name: string) => Promise<string>} send resolves with the server's name
   *     for the file, rejects with a reason that is shown.
   */
  constructor(store, send) {
    this.store = store;
    this.send = send;
  }

  /** Adds a prompt for every file, the first of them at a given position. */
  take(files, place = {}) {
    [...files].forEach((file, index) => {
      const name = file.name.replace(/\.[^.]+$/, "");
      const prompt = this.store.add({ kind: "audio", name, file, ...(index ? {} : place) });
      this.hand(prompt);
    });
  }

  /** Uploads all files again, for a server that was restarted or replaced. */
  again() {
    for (const prompt of this.store.needed) {
      if (prompt.kind !== "audio") continue;
      this.hand(prompt);
    }
  }

  async hand(prompt) {
    // The answer to an earlier upload of this prompt is ignored.
    const attempt = Symbol("attempt");
    prompt.attempt = attempt;
    prompt.upload = undefined;
    prompt.silent = true;
    if (!prompt.file) {
      prompt.state = "The file is gone: remove the prompt, or drop the file again";
      this.store.changed();
      return;
    }
    prompt.state = "Uploading";
    this.store.changed();
    const answer = await this.send(prompt.file, prompt.name).then(
      (upload) => ({ upload, silent: false, state: "" }),
      (error) => ({ state: `Not used: ${error.message}` }),
    );
    if (prompt.attempt !== attempt) return;
    Object.assign(prompt, answer);
    this.store.changed();
  }
}
