// The selection, here and on the server. Here it is lit up at once; the server gets the outline, or
// a few rows, decides by itself, and sends back the stamp of what it decided. A stamp that is not
// ours comes from before this map was here: then the rows are fetched.

import { fetchBytes } from "./fetching.js";
import { spaced } from "./legend.js";

const MOST_ROWS = 1000; // that are sent one by one

export class Selection {
  constructor(map) {
    this.map = map;
    this.forget();
  }

  forget() {
    this.rows = new Uint32Array(0);
    this.stamp = null;
    this.awaited = null; // sent, not yet answered
    this.#show();
  }

  outline(corners, rows) {
    this.rows = rows;
    this.#send({ polygon: corners });
  }

  // Add an item, or take it out; return what to say.
  toggle(row) {
    const rows = new Set(this.rows);
    if (!rows.delete(row)) rows.add(row);
    if (rows.size > MOST_ROWS) return `More than ${MOST_ROWS} are selected: draw an outline instead`;
    this.rows = Uint32Array.from(rows).sort();
    if (rows.size) this.#send({ rows: [...this.rows] });
    else this.clear();
    return `${this.rows.length} selected`;
  }

  clear() {
    this.rows = new Uint32Array(0);
    this.awaited = this.stamp = "none";
    this.map.light(this.rows);
    this.#show();
    this.map.component.setStateValue("selection", null);
  }

  #send(drawn) {
    this.stamp = this.awaited = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
    this.map.light(this.rows);
    this.#show();
    const { geometry } = this.map.have;
    this.map.component.setStateValue("selection", { stamp: this.stamp, geometry, ...drawn });
  }

  // What the server has: {stamp, count, rows: hash of an array of 32-bit rows}.
  async receive({ stamp, count, rows }) {
    if (this.awaited !== null && this.awaited !== stamp) return; // an answer is still to come
    this.awaited = null;
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

  #show() {
    const { count, buttons } = this.map.elements;
    count.hidden = this.rows.length === 0 && (this.stamp === null || this.stamp === "none");
    count.textContent = `${spaced(this.rows.length)} selected`;
    buttons.clear.disabled = count.hidden;
  }
}
