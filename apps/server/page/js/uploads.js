/** Audio files as prompts: handed to the server, and again when it has forgotten them. */

export class Uploads {
  /**
   * @param {import("./store.js").Store} store
   * @param {(file: Blob, name: string) => Promise<string>} send resolves with the server's name
   *     for the file, rejects with a reason for people.
   */
  constructor(store, send) {
    this.store = store;
    this.send = send;
  }

  /** Adds a prompt for every file, the first of them at a place. */
  take(files, place = {}) {
    [...files].forEach((file, index) => {
      const name = file.name.replace(/\.[^.]+$/, "");
      const prompt = this.store.add({ kind: "audio", name, file, ...(index ? {} : place) });
      this.hand(prompt);
    });
  }

  /** Hands over everything again: the server is another, or has forgotten. */
  again() {
    for (const prompt of this.store.needed) {
      if (prompt.kind !== "audio") continue;
      this.hand(prompt);
    }
  }

  async hand(prompt) {
    // An answer to what was handed over before is none to this.
    const attempt = Symbol("attempt");
    prompt.attempt = attempt;
    prompt.upload = undefined;
    prompt.silent = true;
    if (!prompt.file) {
      prompt.state = "The file is not here any more: remove it, or drop it again";
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
