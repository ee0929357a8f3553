// The selection, here and on the server. Here it is lit up at once; the server gets strokes: an
// outline or a few rows, each of which begins the selection anew, adds to it or takes away. It
// decides by itself, and sends back the stamp of what it decided. A stamp that is not ours comes
// from before this map was here: then the rows are fetched.

import { fetchBytes } from "./fetching.js";
import { spaced } from "./legend.js";

const MOST_STROKES = 32; // that the server has not answered

export class Selection {
  constructor(map) {
    this.map = map;
    this.forget();
  }

  forget() {
    this.rows = new Uint32Array(0);
    this.stamp = null;
    this.base = "none"; // the last stamp that the server knows
    this.strokes = []; // since then
    this.awaited = null; // sent, not yet answered
    this.#show();
  }

  outline(corners, rows, how) {
    this.#stroke({ how, geometry: this.map.have.geometry, polygon: corners }, rows);
  }

  // Add an item, or take it out; return what to say.
  toggle(row) {
    const how = this.rows.includes(row) ? "subtract" : "add";
    this.#stroke({ how, rows: [row] }, [row]);
    return `${this.rows.length} selected`;
  }

  clear() {
    this.rows = new Uint32Array(0);
    this.awaited = this.stamp = this.base = "none";
    this.strokes = [];
    this.#light();
    this.map.component.setStateValue("selection", null);
  }

  #stroke(stroke, rows) {
    if (this.strokes.length >= MOST_STROKES) return this.map.announce("The server does not answer");
    const now = new Set(stroke.how === "new" ? [] : this.rows);
    for (const row of rows) stroke.how === "subtract" ? now.delete(row) : now.add(row);
    this.rows = Uint32Array.from(now).sort();
    if (stroke.how === "new") [this.base, this.strokes] = ["none", []];
    this.strokes.push(stroke);
    this.stamp = this.awaited = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
    this.#light();
    const { stamp, base, strokes } = this;
    this.map.component.setStateValue("selection", { stamp, base, strokes });
  }

  // What the server has: {stamp, count, rows: hash of an array of 32-bit rows}.
  async receive({ stamp, count, rows }) {
    if (this.awaited !== null && this.awaited !== stamp) return; // an answer is still to come
    this.awaited = null;
    this.base = stamp;
    this.strokes = [];
    const { dataset } = this.map.elements.root;
    dataset.echo = stamp;
    dataset.echoed = count;
    if (stamp === this.stamp && count === this.rows.length) return;
    this.stamp = stamp;
    const bytes = count
      ? await fetchBytes(`${this.map.data.base}/array/${rows}`).catch(() => null) : null;
    if (this.stamp !== stamp) return;
    this.rows = bytes ? new Uint32Array(bytes) : new Uint32Array(0);
    this.map.light(this.rows);
    this.#show();
  }

  // A linked map has selected: light up the same, the server will say it to this one too.
  follow(rows, stamp) {
    this.rows = rows;
    this.stamp = this.awaited = stamp;
    this.map.light(rows);
    this.#show();
  }

  #light() {
    this.map.light(this.rows);
    this.#show();
    for (const other of this.map.others()) other.selection.follow(this.rows, this.stamp);
  }

  #show() {
    const { count, buttons } = this.map.elements;
    count.hidden = this.rows.length === 0 && (this.stamp === null || this.stamp === "none");
    count.textContent = `${spaced(this.rows.length)} selected`;
    buttons.clear.disabled = count.hidden;
  }
}
