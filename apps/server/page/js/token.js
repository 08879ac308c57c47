/** The access token of a server that needs one: from the address (#token=...), or typed in. */

const NAME = "soundstage.token";

export class Token {
  constructor() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!given) return;
    this.keep(given);
    // The token leaves the address bar, and so stays out of bookmarks and screenshots.
    history.replaceState(null, "", location.pathname + location.search);
  }

  /** Keeps a token until the tab is closed. */
  keep(token) {
    this.token = token;
    try {
      sessionStorage.setItem(NAME, token);
    } catch {
      return; // storage is forbidden: the token is kept until the page is closed
    }
  }

  get value() {
    try {
      return this.token ?? sessionStorage.getItem(NAME);
    } catch {
      return this.token;
    }
  }

  /** The address of a WebSocket of this server. */
  address(path) {
    const address = new URL(path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    if (this.value) address.searchParams.set("token", this.value);
    return address.href;
  }
}
