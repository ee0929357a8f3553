// One sound at a time, and where it is. Nothing sounds before somebody has switched sound on: that
// press of a button is also what lets the browser play.

let isOn = false; // for all maps, also for those that come after

export class Player {
  constructor() {
    this.audio = new Audio();
    this.audio.preload = "auto";
    this.address = null;
    this.onMove = () => {};
    this.onRefused = () => {};
    this.audio.addEventListener("ended", () => this.onMove(1, this.audio.duration));
  }

  play(address) {
    if (!isOn || this.address === address) return;
    this.stop();
    this.address = address;
    this.audio.src = address;
    this.audio.play().then(
      () => this.#follow(address),
      (error) => {
        // Stopping before it has started is no problem; a browser that refuses is one.
        if (error.name === "NotAllowedError") this.onRefused();
      },
    );
  }

  stop() {
    this.address = null;
    this.audio.pause();
    this.audio.removeAttribute("src");
  }

  get isOn() {
    return isOn;
  }

  switch() {
    isOn = !isOn;
    if (!isOn) this.stop();
  }

  #follow(address) {
    if (this.address !== address) return;
    const { currentTime, duration, ended } = this.audio;
    if (duration > 0) this.onMove(currentTime / duration, duration);
    if (!ended) requestAnimationFrame(() => this.#follow(address));
  }
}
