// The map: what is known of the items, what is looked at, and what follows from a press or a move.
// Drawing, pointing, keys and cards are in files of their own and ask here.

import { Camera } from "./camera.js";
import { build, KEYS } from "./dom.js";
import { Drawing } from "./drawing.js";
import { fetchBytes } from "./fetching.js";
import { rgbOf } from "./gl.js";
import { Grid } from "./grid.js";
import { attachKeys } from "./keys.js";
import { Journey } from "./journey.js";
import { fillLegend } from "./legend.js";
import { join, leave, others } from "./linked.js";
import { Looking } from "./looking.js";
import { Overlay } from "./overlay.js";
import { attachPointer } from "./pointer.js";
import { rowsInside } from "./polygon.js";
import { Selection } from "./selection.js";

const GOING = 700; // ms from one map to the next
const REST = 130; // ms without a move, after which the density is counted anew
const TOLD = 700; // ms without a move, after which the server is told what is in view
const MOST_GOING = 50_000; // items that move; more change at once

const cameras = new Map(); // by name of the component: how it was left, for the way back

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
    this.going = 0; // when the way to the next map began; 0: it is there
    this.scrubbed = null; // share of the way, if somebody holds it by hand
    this.echo = -1; // row that is looked at on a map linked to this one
    this.tool = "pan";
    this.elements = build(place, (button) => this.press(button));
    this.drawing = new Drawing(this.elements.points, (isThere) => this.#contextChanged(isThere));
    this.overlay = new Overlay(this.elements.overlay);
    this.looking = new Looking(this);
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
    this.#theme();
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
    this.#receiveView(data, isNewItems);
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
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const goes = !isNewItems && this.xy.length === xy.length && xy.length / 2 <= MOST_GOING && !isCalm;
    this.from = goes ? this.positionsNow() : xy;
    this.going = goes ? performance.now() : 0;
    this.scrubbed = null;
    this.xy = xy;
    this.grid = new Grid(xy);
    const wasFitted = this.camera.isFitted();
    this.camera.look(this.grid.box);
    const left = cameras.get(this.name);
    const isBack = isNewItems && left?.items === this.data.items && !left.isWhole;
    if (isBack) Object.assign(this.camera, left.view);
    else if (isNewItems || wasFitted) this.camera.fit();
    this.#tellSoon();
    this.drawing.upload(this, "positions");
  }

  // What the address of the page says of the view counts once; then the hand that moves the map.
  #receiveView({ view, focus }, isNewItems) {
    const { camera } = this;
    if (view && isNewItems && !this.hasView) {
      Object.assign(camera, { x: view[0], y: view[1], scale: view[2] * camera.fitted });
      this.lastView = view.join();
    }
    this.hasView = true;
    if (!focus || focus.stamp === this.focused) return;
    this.focused = focus.stamp;
    camera.frame(focus.rows.map((row) => [this.xy[2 * row], this.xy[2 * row + 1]]));
    for (const [x, y] of focus.places) camera.show(x, y);
    this.moved();
  }

  // Hold the way from one map to another by hand: share 0 is the one, 1 the other.
  hold(from, to, share) {
    if (this.from !== from || this.xy !== to) {
      this.looking.leave();
      [this.from, this.xy] = [from, to];
      this.drawing.upload(this, "positions");
    }
    this.going = 0;
    this.scrubbed = share;
    this.redraw();
  }

  // Let go of it on a map.
  settle(xy, geometry) {
    this.have.geometry = geometry;
    this.from = this.xy = xy;
    this.scrubbed = null;
    this.grid = new Grid(xy);
    this.camera.look(this.grid.box);
    this.drawing.upload(this, "positions");
    this.looking.fetchNear();
    this.redraw();
  }

  get isHeld() {
    return this.going !== 0 || this.scrubbed !== null;
  }

  #setArray(what, values) {
    this[what] = values;
    this.drawing.upload(this, what);
  }

  // Where items are on the way from one map to the next.
  positionsNow() {
    const share = this.share();
    if (share >= 1) return this.xy;
    return this.xy.map((to, i) => this.from[i] + (to - this.from[i]) * share);
  }

  share() {
    if (this.scrubbed !== null) return this.scrubbed;
    if (!this.going) return 1;
    const passed = Math.min((performance.now() - this.going) / GOING, 1);
    return passed * passed * (3 - 2 * passed);
  }

  // --- looking -----------------------------------------------------------------------------------

  placeOf(row) {
    if (row < 0 || row >= this.data.count || !this.colours[4 * row + 3]) return null;
    const share = this.share();
    const at = (part) => {
      const to = this.xy[2 * row + part];
      return share < 1 ? this.from[2 * row + part] + (to - this.from[2 * row + part]) * share : to;
    };
    return this.camera.toScreen(at(0), at(1));
  }

  moved() {
    this.lastMove = performance.now();
    clearTimeout(this.restTimer);
    this.restTimer = setTimeout(() => this.redraw(), REST);
    this.#tellSoon();
    this.looking.again();
    this.redraw();
  }

  #tellSoon() {
    clearTimeout(this.tellTimer);
    this.tellTimer = setTimeout(() => this.#tellView(), TOLD);
  }

  #tellView() {
    if (this.isGone || !this.data) return;
    const { camera } = this;
    const zoom = camera.scale / camera.fitted;
    const isWhole = camera.isFitted();
    const view = isWhole ? null : [camera.x, camera.y, zoom].map((part) => Number(part.toPrecision(5)));
    if (String(view) === (this.lastView ?? "null")) return;
    this.lastView = String(view);
    this.component.setStateValue("view", view);
  }

  // --- choosing and selecting --------------------------------------------------------------------

  clickAt(left, top, isToggle) {
    this.looking.at(left, top);
    if (this.looking.row < 0) return;
    if (isToggle) this.toggleHovered();
    else this.chooseHovered();
  }

  chooseHovered() {
    const { row } = this.looking;
    if (row < 0) return;
    this.chosen = row; // at once; the server says the same a moment later
    this.redraw();
    this.component.setTriggerValue("chosen", row);
  }

  toggleHovered() {
    const { row } = this.looking;
    if (row >= 0) this.announce(this.selection.toggle(row));
  }

  selectOutline(track, how) {
    if (this.isHeld || !this.data) return;
    const corners = track.map(([left, top]) => this.camera.toData(left, top));
    this.selection.outline(corners, rowsInside(this.grid, corners, this.colours), how);
  }

  selectView() {
    const { width, height } = this.camera;
    this.selectOutline([[0, 0], [width, 0], [width, height], [0, height]], "new");
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
    const share = this.share();
    const isMoving = performance.now() - (this.lastMove ?? -Infinity) < REST - 5;
    const drawn = this.drawing.draw(this, share, isMoving);
    this.overlay.draw(this, (row) => this.placeOf(row));
    const isWhole = this.camera.isFitted();
    cameras.set(this.name, { items: this.data.items, view: this.camera.view(), isWhole });
    // What tests and measurements wait for.
    Object.assign(root.dataset, {
      drawn, geometry: this.have.geometry, colours: this.have.colours,
      selected: this.selectedCount, going: String(share < 1),
    });
    this.frames = (this.frames ?? 0) + 1;
    if (this.scrubbed !== null) return;
    if (share < 1) this.redraw();
    else this.going = 0;
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

  #theme() {
    const style = getComputedStyle(this.host);
    const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
    this.ink = read("--st-text-color", "#1D2730");
    this.paper = read("--st-background-color", "#FFFFFF");
    this.font = read("--st-font", "sans-serif");
    this.accent = read("--st-primary-color", "#0072B2");
    this.paperRgb = rgbOf(this.paper);
    // A light rim lifts dark colours from a dark page; on a light page it parts those that touch.
    const isDark = this.paperRgb[1] < 0.5;
    const inkRgb = rgbOf(this.ink);
    this.rimRgb = this.paperRgb.map((part, i) => (isDark ? 0.35 * part + 0.65 * inkRgb[i] : part));
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
    clearTimeout(this.tellTimer);
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
