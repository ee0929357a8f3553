// What is looked at: the item under the pointer, or that which the keys have come to; its card, and
// the lines to its true nearest neighbours.

import { Card } from "./card.js";
import { showIcon } from "./dom.js";
import { fetchJson } from "./fetching.js";
import { rowBeside } from "./grid.js";

const REACH = 14; // pixels from the pointer to an item

export class Looking {
  constructor(map) {
    this.map = map;
    this.row = -1;
    this.card = new Card(map.elements.card);
    this.forget();
    this.#showSound();
  }

  forget() {
    this.near = { row: -1, list: [] };
  }

  // The row that rings and lines are about: what is looked at, else what is chosen.
  get subject() {
    return this.row >= 0 ? this.row : this.map.chosen;
  }

  at(left, top) {
    const { map } = this;
    if (map.motion.isHeld) return;
    const [x, y] = map.camera.toData(left, top);
    const row = map.grid.nearest(x, y, REACH / map.camera.scale, map.colours);
    if (row < 0) this.leave();
    else this.#look(row);
  }

  beside(direction) {
    const { map } = this;
    const from = this.subject;
    const isSeen = from >= 0 && map.placeOf(from) !== null;
    const row = isSeen
      ? rowBeside(map.xy, from, direction, map.colours)
      : map.grid.nearest(map.camera.x, map.camera.y, Infinity, map.colours);
    if (row < 0) return map.announce("No item that way");
    map.camera.show(map.xy[2 * row], map.xy[2 * row + 1]);
    this.#look(row);
    map.moved();
  }

  // The map has moved under what is looked at.
  again() {
    if (this.row >= 0) this.#look(this.row);
  }

  #look(row) {
    const { map } = this;
    const isNew = row !== this.row;
    const place = map.placeOf(row);
    if (!place) return this.leave();
    this.row = row;
    map.elements.root.dataset.over = "item";
    if (isNew) this.#tellOthers(row);
    const base = map.data.media && `${map.data.base}/item/${map.data.media}`;
    this.card.show(row, place, base, map.camera, (words) => map.announce(words));
    if (!isNew) return;
    this.fetchNear();
    map.redraw();
  }

  leave() {
    if (this.row < 0) return;
    this.row = -1;
    this.#tellOthers(-1);
    delete this.map.elements.root.dataset.over;
    this.card.hide();
    this.fetchNear();
    this.map.redraw();
  }

  // The same item is ringed on the maps that are linked to this one.
  #tellOthers(row) {
    for (const other of this.map.others()) {
      other.echo = row;
      other.redraw();
    }
  }

  // Fetch the neighbours of the subject, if lines to them are wanted.
  async fetchNear() {
    const { data } = this.map;
    const row = this.subject;
    const shelf = data?.near;
    if (!shelf || row < 0) return this.forget();
    if (this.near.row === row && this.near.shelf === shelf) return;
    const list = await fetchJson(`${data.base}/item/${shelf}/${row}/near`).catch(() => []);
    if (row !== this.subject || shelf !== this.map.data.near || !Array.isArray(list)) return;
    this.near = { row, shelf, list };
    this.map.redraw();
  }

  switchSound() {
    this.card.player.switch();
    this.#showSound();
    this.map.announce(this.card.player.isOn ? "Sound on" : "Sound off");
    const { row } = this;
    if (row < 0) return;
    this.card.hide(); // shown anew, with its sound or without
    this.#look(row);
  }

  #showSound() {
    const { sound } = this.map.elements.buttons;
    const { isOn } = this.card.player;
    sound.setAttribute("aria-pressed", String(isOn));
    showIcon(sound, isOn ? "loud" : "quiet");
  }
}
