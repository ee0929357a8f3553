// A page of selected items to look at, hear and read; all sounds of the selection one by one.

import { make } from "./dom.js";
import { fetchJson } from "./fetching.js";

const galleries = new WeakMap();

export function mountGallery(component) {
  const place = component.parentElement;
  if (!galleries.has(place)) galleries.set(place, new Gallery(place));
  galleries.get(place).update(component);
  return () => setTimeout(() => place.isConnected || galleries.get(place)?.stop(), 0);
}

class Gallery {
  constructor(place) {
    this.audio = new Audio();
    this.audio.addEventListener("ended", () => this.#next());
    this.audio.addEventListener("error", () => this.at >= 0 && this.#next());
    this.at = -1; // place in the list that is played
    this.list = [];
    this.tiles = new Map();
    this.root = make("div", "gallery");
    this.bar = make("div", "bar");
    this.all = make("button", "all");
    this.all.type = "button";
    this.all.addEventListener("click", () => (this.at >= 0 ? this.stop() : this.#play(this.sounds)));
    this.said = make("span", "said");
    this.said.setAttribute("aria-live", "polite");
    this.bar.append(this.all, this.said);
    this.grid = make("ul", "tiles");
    this.root.append(this.bar, this.grid);
    place.append(this.root);
  }

  update(component) {
    this.component = component;
    const { data } = component;
    this.data = data;
    this.base = `${data.base}/item/${data.media}`;
    if (String(this.sounds) !== String(data.sounds)) this.stop();
    this.sounds = data.sounds;
    this.bar.hidden = data.sounds.length === 0;
    this.#label();
    const key = `${data.media} ${data.rows}`;
    if (key !== this.key) this.#fill(data.rows);
    this.key = key;
    for (const [row, tile] of this.tiles) tile.classList.toggle("chosen", row === data.chosen);
  }

  #fill(rows) {
    this.tiles.clear();
    this.grid.replaceChildren(...rows.map((row) => this.#tile(row)));
    this.root.dataset.rows = rows.join();
    this.#mark();
  }

  #tile(row) {
    const tile = make("li", "tile");
    this.tiles.set(row, tile);
    fetchJson(`${this.base}/${row}/card`).then((item) => {
      if (!item.reason) this.#show(tile, row, item);
    }, () => {});
    return tile;
  }

  #show(tile, row, item) {
    const words = [item.label, item.title].filter(Boolean).join(", ");
    const open = make("button", "open");
    open.type = "button";
    open.title = `${words} (${item.id}): show it`;
    open.setAttribute("aria-label", `Show ${words}`);
    open.addEventListener("click", () => this.component.setTriggerValue("chosen", row));
    if (item.kind === "text") open.append(make("blockquote", "", item.text ?? ""));
    else open.append(this.#picture(row, item, words));
    const foot = make("div", "foot");
    foot.append(make("span", "", item.label ?? item.id));
    if (item.kind === "audio") {
      const play = make("button", "play", "▶");
      play.type = "button";
      play.setAttribute("aria-label", `Play ${words}`);
      play.addEventListener("click", () => this.#play([row]));
      foot.append(play);
    }
    tile.dataset.kind = item.kind;
    tile.replaceChildren(open, foot);
  }

  #picture(row, item, words) {
    const image = make("img");
    image.loading = "lazy";
    image.alt = words;
    image.addEventListener("error", async () => {
      const answer = await fetchJson(`${this.base}/${row}/picture`).catch(() => ({}));
      image.replaceWith(make("span", "gone", answer.reason ?? "It cannot be shown."));
    });
    image.src = `${this.base}/${row}/picture`;
    return image;
  }

  #play(list) {
    this.list = list;
    this.at = -1;
    this.#next();
  }

  #next() {
    this.at += 1;
    if (this.at >= this.list.length) return this.stop();
    const row = this.list[this.at];
    this.audio.src = `${this.base}/${row}/sound`;
    this.audio.play().catch(() => {}); // stopped before it began, or gone: "error" goes on
    fetchJson(`${this.base}/${row}/card`).then((item) => {
      if (this.list[this.at] === row)
        this.said.textContent = `${this.at + 1} of ${this.list.length}: ${item.label ?? item.id}`;
    }, () => {});
    this.#label();
    this.#mark();
  }

  stop() {
    this.at = -1;
    this.list = [];
    this.audio.pause();
    this.said.textContent = "";
    this.#label();
    this.#mark();
  }

  #mark() {
    const row = this.list[this.at];
    this.root.dataset.playing = row ?? "";
    for (const [own, tile] of this.tiles) tile.classList.toggle("playing", own === row);
  }

  #label() {
    const count = this.sounds?.length ?? 0;
    this.all.textContent = this.at >= 0 ? "■ Stop" : `▶ Play ${count === 1 ? "the sound" : `all ${count} sounds`}`;
  }
}
