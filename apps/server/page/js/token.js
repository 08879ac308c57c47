/** The access token of a server that wants one: from the address (#token=...), or typed in. */

const NAME = "soundstage.token";

export class Token {
  constructor() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!given) return;
    this.keep(given);
    // Out of the address bar, and so out of bookmarks and screenshots.
    history.replaceState(null, "", location.pathname + location.search);
  }

  /** Keeps a token until the tab is closed. */
  keep(token) {
    this.token = token;
    try {
      sessionStorage.setItem(NAME, token);
    } catch {
      return; // then until the page is left
    }
  }

  get value() {
    try {
      return this.token ?? sessionStorage.getItem(NAME);
    } catch {
      return this.token;
    }
  }

  /** The address of a socket of this server. */
  address(path) {
    const address = new URL(path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    if (this.value) address.searchParams.set("token", this.value);
    return address.href;
  }
}
