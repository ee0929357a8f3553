// The map: what is known of the items, taken from what Streamlit sends, and drawn when it changes.
// What can be done with a map is in files of their own, which ask here: one idea a file.

import { Camera } from "./camera.js";
import { Choosing } from "./choosing.js";
import { build, KEYS } from "./dom.js";
import { Drawing } from "./drawing.js";
import { fetchBytes } from "./fetching.js";
import { Grid } from "./grid.js";
import { attachKeys } from "./keys.js";
import { Journey } from "./journey.js";
import { fillLegend } from "./legend.js";
import { join, leave, others } from "./linked.js";
import { Looking } from "./looking.js";
import { Motion } from "./motion.js";
import { Overlay } from "./overlay.js";
import { attachPointer } from "./pointer.js";
import { Selection } from "./selection.js";
import { Sight } from "./sight.js";
import { themeOf } from "./theme.js";

const REST = 130; // ms without a move, after which the density is counted anew

class ItemMap {
  constructor(place, name) {
    this.name = name;
    this.host = place.host ?? place;
    this.camera = new Camera();
    this.have = {}; // hashes of what was fetched
    this.xy = this.from = new Float32Array(0);
    this.kinds = this.colours = this.selected = new Uint8Array(0);
    this.grid = new Grid(this.xy);
    this.partners = [];
    this.track = [];
    this.chosen = -1;
    this.selectedCount = this.shownCount = 0;
    this.densityFrom = 50_000;
    this.echo = -1; // row that is looked at on a map linked to this one
    this.tool = "pan";
    this.elements = build(place, (button) => this.press(button));
    this.drawing = new Drawing(this.elements.points, (isThere) => this.#contextChanged(isThere));
    this.overlay = new Overlay(this.elements.overlay);
    this.motion = new Motion(this);
    this.sight = new Sight(this);
    this.looking = new Looking(this);
    this.choosing = new Choosing(this);
    this.selection = new Selection(this);
    this.journey = new Journey(this, this.elements.journey);
    this.elements.root.itemMap = this; // for tests, and for the curious
    attachPointer(this, this.elements.overlay);
    attachKeys(this, this.elements.overlay);
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.elements.stage);
    this.press("pan");
    if (!this.drawing.gl) this.#giveUp();
  }

  // Take what Streamlit sends; fetch only what is new.
  async update(component) {
    this.component = component;
    const { data } = component;
    this.data = data;
    if (!this.drawing.gl) return this.#tellEngine("none");
    Object.assign(this, themeOf(this.host));
    const isNewItems = data.items !== this.have.items;
    const fresh = ["kinds", "geometry", "colours"].filter((what) => data[what] !== this.have[what]);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    let arrays;
    try {
      arrays = await Promise.all(fresh.map((what) => fetchBytes(`${data.base}/array/${data[what]}`)));
    } catch (error) {
      if (turn === this.turn) this.#say(`The map could not be fetched: ${error.message}`);
      return;
    }
    if (turn !== this.turn) return; // a later update has overtaken this one
    this.#say("");
    for (const what of fresh) this.have[what] = data[what];
    this.have.items = data.items;
    const got = Object.fromEntries(fresh.map((what, i) => [what, arrays[i]]));
    if (isNewItems) this.#forgetItems(data.count);
    if (got.geometry) this.#setPositions(new Float32Array(got.geometry), isNewItems);
    if (got.kinds) this.#setArray("kinds", new Uint8Array(got.kinds));
    if (got.colours) this.#setArray("colours", new Uint8Array(got.colours));
    if (got.colours) this.shownCount = countShown(this.colours);
    this.densityFrom = data.densityFrom;
    this.partners = data.partners;
    this.chosen = data.chosen;
    join(this, data.link);
    await this.journey.receive(data.steps, data.step);
    if (turn !== this.turn) return;
    this.sight.receive(data, isNewItems);
    fillLegend(this.elements, data.legend);
    this.elements.overlay.setAttribute("aria-label", `${data.label}. ${KEYS}`);
    this.elements.buttons.sound.hidden = !data.hasSound;
    this.selection.receive(data.selected);
    this.looking.fetchNear();
    this.redraw();
  }

  #forgetItems(count) {
    this.looking.leave();
    this.from = new Float32Array(0);
    this.selected = new Uint8Array(count);
    this.selectedCount = 0;
    this.selection.forget();
    this.looking.forget();
    this.drawing.upload(this, "selected");
  }

  #setPositions(xy, isNewItems) {
    this.motion.begin(xy, isNewItems);
    this.sight.look(isNewItems);
    this.drawing.upload(this, "positions");
  }

  #setArray(what, values) {
    this[what] = values;
    this.drawing.upload(this, what);
  }

  // --- looking -----------------------------------------------------------------------------------

  placeOf(row) {
    if (row < 0 || row >= this.data.count || !this.colours[4 * row + 3]) return null;
    const { motion, camera } = this;
    const share = motion.share();
    return camera.toScreen(motion.positionOf(row, 0, share), motion.positionOf(row, 1, share));
  }

  moved() {
    this.lastMove = performance.now();
    clearTimeout(this.restTimer);
    this.restTimer = setTimeout(() => this.redraw(), REST);
    this.sight.tellSoon();
    this.looking.again();
    this.redraw();
  }

  // Light up rows; the selection calls it.
  light(rows) {
    this.selected = new Uint8Array(this.data.count);
    for (const row of rows) this.selected[row] = 1;
    this.selectedCount = rows.length;
    this.drawing.upload(this, "selected");
    this.redraw();
  }

  // Do what a linked map of the same items does.
  others() {
    return others(this);
  }

  escape() {
    if (this.track.length) return this.setTrack([]);
    if (this.selectedCount) return this.selection.clear();
    this.looking.leave();
  }

  setTrack(track) {
    this.track = track;
    this.redraw();
  }

  press(button) {
    const { camera, elements } = this;
    if (["pan", "box", "lasso"].includes(button)) {
      this.tool = button;
      elements.root.dataset.tool = button;
      for (const tool of ["pan", "box", "lasso"])
        elements.buttons[tool].setAttribute("aria-pressed", String(tool === button));
    }
    if (button === "closer") camera.zoomAt(camera.width / 2, camera.height / 2, 1.5);
    if (button === "farther") camera.zoomAt(camera.width / 2, camera.height / 2, 1 / 1.5);
    if (button === "fit") camera.fit();
    if (button === "clear") this.selection.clear();
    if (button === "sound") this.looking.switchSound();
    this.moved();
  }

  // --- drawing -----------------------------------------------------------------------------------

  redraw() {
    this.frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.frame = null;
    const { root } = this.elements;
    if (!this.drawing.isReady || !this.data || !this.xy.length || this.isGone) return;
    const share = this.motion.share();
    const isMoving = performance.now() - (this.lastMove ?? -Infinity) < REST - 5;
    const drawn = this.drawing.draw(this, share, isMoving);
    this.overlay.draw(this, (row) => this.placeOf(row));
    this.sight.remember();
    // What tests and measurements wait for.
    Object.assign(root.dataset, {
      drawn, geometry: this.have.geometry, colours: this.have.colours,
      selected: this.selectedCount, going: String(share < 1),
    });
    this.frames = (this.frames ?? 0) + 1;
    this.motion.goOn(share);
  }

  #resize() {
    const { stage, points, overlay } = this.elements;
    const { clientWidth: width, clientHeight: height } = stage;
    if (!width || !height) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    for (const canvas of [points, overlay]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.camera.resize(width, height);
    this.looking.leave();
    if (this.frame) cancelAnimationFrame(this.frame);
    this.frame = null;
    this.#draw(); // at once: a canvas that was resized is empty
  }

  #contextChanged(isThere) {
    if (this.isGone) return;
    if (isThere) this.drawing.uploadAll(this);
    this.elements.root.dataset.context = isThere ? "restored" : "lost";
    this.redraw();
  }

  // --- words -------------------------------------------------------------------------------------

  hint(text) {
    const { hint } = this.elements;
    hint.textContent = text;
    hint.hidden = false;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => (hint.hidden = true), 1800);
  }

  announce(words) {
    this.elements.said.textContent = words;
  }

  #say(problem) {
    this.elements.problem.textContent = problem;
    this.elements.problem.hidden = !problem;
  }

  #giveUp() {
    this.#say("This browser has no WebGL 2. A plainer drawing comes in its place.");
  }

  #tellEngine(engine) {
    if (this.told === engine) return;
    this.told = engine;
    this.component.setStateValue("engine", engine);
  }

  destroy() {
    this.isGone = true;
    leave(this);
    this.journey.stop();
    this.sight.stop();
    this.observer.disconnect();
    clearTimeout(this.restTimer);
    this.looking.leave();
    this.drawing.destroy();
    this.elements.root.remove();
  }
}

function countShown(colours) {
  let shown = 0;
  for (let at = 3; at < colours.length; at += 4) if (colours[at]) shown++;
  return shown;
}

export function createMap(place, name) {
  return new ItemMap(place, name);
}
