/** Values kept in the browser between two visits, if it allows that. */

const PREFIX = "soundstage.";

export class Memory {
  /** The value kept under a name, or null. */
  read(name) {
    try {
      return JSON.parse(localStorage.getItem(PREFIX + name));
    } catch {
      return null; // storage is forbidden, or holds data of another version
    }
  }

  /** Keeps a value that JSON can hold. */
  write(name, value) {
    try {
      localStorage.setItem(PREFIX + name, JSON.stringify(value));
    } catch {
      return; // storage is forbidden or full: the page works without it
    }
  }
}
