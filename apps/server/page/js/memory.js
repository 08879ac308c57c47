/** What this browser remembers between two visits; nothing where it may not. */

const PREFIX = "soundstage.";

export class Memory {
  /** The value kept under a name, or null. */
  read(name) {
    try {
      return JSON.parse(localStorage.getItem(PREFIX + name));
    } catch {
      return null; // storage is forbidden, or holds what another version wrote
    }
  }

  /** Keeps a value that JSON can hold. */
  write(name, value) {
    try {
      localStorage.setItem(PREFIX + name, JSON.stringify(value));
    } catch {
      return; // storage is forbidden or full: the page works, and forgets
    }
  }
}
