// The card of the item under the pointer: its picture, its sentence, or its spectrogram with the
// sound and a playhead.

import { make } from "./dom.js";
import { fetchJson } from "./fetching.js";
import { Player } from "./sound.js";

const REST = 60; // ms that the pointer has to rest on an item before its card is fetched

export class Card {
  constructor(element) {
    this.element = element;
    this.player = new Player();
    this.row = -1;
    this.timer = 0;
    this.playhead = null;
    this.clock = null;
    this.player.onMove = (share, seconds) => this.#moved(share, seconds);
    this.player.onRefused = () => this.#note("Your browser wants a click before it plays.");
  }

  // Show the card of a row near a place; `said` gets its words for those who do not see it.
  show(row, place, base, size, said) {
    this.place = place;
    this.size = size;
    if (row === this.row) return this.#put();
    this.hide();
    this.row = row;
    if (!base) return;
    this.timer = setTimeout(() => this.#fill(row, base, said), REST);
  }

  hide() {
    clearTimeout(this.timer);
    this.row = -1;
    this.player.stop();
    this.element.hidden = true;
  }

  async #fill(row, base, said) {
    let item;
    try {
      item = await fetchJson(`${base}/${row}/card`);
    } catch {
      return; // the server is gone; Streamlit says so itself
    }
    if (row !== this.row || item.reason) return;
    const { element } = this;
    const head = make("div", "head");
    head.append(make("strong", "", item.label ?? item.title));
    if (item.label) head.append(make("span", "", item.title));
    const body = make("div", "body");
    this.note = make("div", "note");
    this.playhead = this.clock = null;
    if (item.text) body.append(make("blockquote", "", item.text));
    if (item.kind === "image") body.append(this.#picture(`${base}/${row}/picture`, item));
    if (item.kind === "audio") this.#sound(body, `${base}/${row}`, item, row);
    const foot = make("div", "foot", [item.id, item.split].filter(Boolean).join(" · "));
    element.replaceChildren(head, body, this.note, foot);
    element.hidden = false;
    element.dataset.row = row;
    this.#put();
    said([item.title, item.label, item.text, item.id, item.split].filter(Boolean).join(", "));
  }

  #picture(address, item) {
    const image = make("img");
    image.alt = `${item.title} of ${item.label ?? item.id}`;
    image.addEventListener("load", () => this.#put());
    image.addEventListener("error", () => this.#gone(address, image));
    image.src = address;
    return image;
  }

  // Why there is no picture: the server says it in words.
  async #gone(address, image) {
    image.remove();
    const answer = await fetchJson(`${address}`).catch(() => ({}));
    this.#note(answer.reason ?? "It cannot be shown.");
    this.#put();
  }

  #sound(body, base, item, row) {
    const frame = make("div", "frame");
    this.playhead = make("span", "playhead");
    this.playhead.hidden = true;
    const top = make("span", "axis top");
    frame.append(this.#picture(`${base}/picture`, item), this.playhead, top);
    this.clock = make("div", "clock");
    body.append(frame, this.clock);
    fetchJson(`${base}/axes`).then((axes) => {
      if (row !== this.row || axes.reason) return;
      top.textContent = `${axes.khz} kHz`;
      if (this.playhead?.hidden) this.clock.textContent = `${axes.seconds.toFixed(1)} s`;
      this.#put();
    }, () => {});
    if (this.player.isOn) this.player.play(`${base}/sound`);
    else this.#note("Sound is off: press M or the loudspeaker.");
  }

  #moved(share, seconds) {
    if (!this.playhead) return;
    this.playhead.hidden = false;
    this.playhead.style.left = `${100 * Math.min(share, 1)}%`;
    this.clock.textContent = `${(share * seconds).toFixed(1)} of ${seconds.toFixed(1)} s`;
  }

  #note(text) {
    if (this.note) this.note.textContent = text;
  }

  // Beside the item, where there is room; at the bottom of a narrow map.
  #put() {
    const { element, size } = this;
    if (element.hidden) return;
    const isNarrow = size.width < 520;
    element.classList.toggle("docked", isNarrow);
    if (isNarrow) {
      const isLow = this.place[1] > size.height * 0.55;
      element.style.left = "";
      element.style.top = isLow ? "0.5rem" : "";
      element.style.bottom = isLow ? "" : "0.5rem";
      return;
    }
    const { offsetWidth: wide, offsetHeight: tall } = element;
    const [x, y] = this.place;
    const left = x + 22 + wide > size.width ? x - 22 - wide : x + 22;
    element.style.bottom = "";
    element.style.left = `${Math.max(4, left)}px`;
    element.style.top = `${Math.min(Math.max(4, y - tall / 2), Math.max(4, size.height - tall - 4))}px`;
  }
}
