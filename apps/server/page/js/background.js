/** The music on a locked phone: the system's controls, and the address of a plain stream. */

export class Background {
  /**
   * @param {import("./audio/player.js").Player} player
   * @param {{toggle: () => void, playing: () => boolean}} transport
   */
  constructor(player, { toggle, playing }) {
    this.player = player;
    this.playing = playing;
    this.session = navigator.mediaSession ?? null;
    const press = (wanted) => () => wanted === playing() || toggle();
    for (const [name, wanted] of [["play", true], ["pause", false], ["stop", false]]) {
      this.session?.setActionHandler(name, press(wanted));
    }
    document.addEventListener("visibilitychange", () => document.hidden || player.goOn());
    player.addEventListener("status", () => this.show());
  }

  /** Names the music, in the system's controls. */
  name(title) {
    if (!this.session || this.session.metadata?.title === title) return;
    this.session.metadata = new MediaMetadata({ title, artist: "soundstage" });
  }

  show() {
    if (this.session) this.session.playbackState = this.playing() ? "playing" : "paused";
  }
}
