// The WebGL canvas: what is on the graphics card, and what is drawn of it. If the card loses it
// all, it is put there again from the arrays of the map.

import { Budget } from "./budget.js";
import { Density } from "./density.js";
import { Points, sizeOf } from "./points.js";

const CELL = 3; // CSS pixels: side of a square of the density
const COARSEST = 1.4; // times CELL, before the density is counted anew
const MOST_ACROSS = 640; // squares of the density of everything
const MOST_COUNTED = 200_000; // items that are counted anew while the map moves
const AROUND = 0.3; // of the window, counted beyond it on every side

export class Drawing {
  // onChange is called when the context is lost, and when it is there again.
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.budget = new Budget();
    this.drawnPoints = 0; // in the frame before
    this.gl = canvas.getContext("webgl2", { antialias: false, powerPreference: "high-performance" });
    if (!this.gl) return;
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // else it is never restored
      this.points = null;
      onChange(false);
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#make();
      onChange(true);
    });
    this.#make();
  }

  #make() {
    const { gl } = this;
    this.points = new Points(gl);
    this.whole = new Density(gl); // everything, coarse
    this.detail = new Density(gl); // what was in view when the map last stood still
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  get isReady() {
    return Boolean(this.points);
  }

  // Put arrays of the map on the card: "positions", "kinds", "colours" or "selected".
  upload(map, what) {
    if (!this.isReady) return;
    if (what === "positions") {
      this.points.upload("aFrom", map.from);
      this.points.upload("aTo", map.xy);
      this.points.uploadOrder(map.grid.order);
    }
    if (what === "kinds") this.points.upload("aKind", map.kinds);
    if (what === "colours") this.points.upload("aColour", map.colours);
    if (what === "selected") this.points.upload("aSelected", map.selected);
    this.whole.forget();
    this.detail.forget();
  }

  uploadAll(map) {
    for (const what of ["positions", "kinds", "colours", "selected"]) this.upload(map, what);
  }

  // Draw; return what was drawn, "points" or "density".
  draw(map, share, isMoving) {
    const { gl, canvas } = this;
    const { camera, grid } = map;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const isGoing = share < 1;
    const window = camera.window(0.02);
    const count = Math.min(grid.count(window), map.shownCount); // of many, few may be shown
    if (isMoving) this.budget.frame(performance.now(), this.drawnPoints);
    else this.budget.rest();
    const most = isMoving ? Math.min(this.budget.points, map.densityFrom) : map.densityFrom;
    if (!isGoing && count > most) {
      this.drawnPoints = 0;
      this.#drawDensity(map, window, isMoving && count > MOST_COUNTED);
      return "density";
    }
    this.drawnPoints = count;
    const ratio = canvas.width / camera.width;
    this.points.draw({
      camera, share, paper: map.paperRgb, rim: map.rimRgb, hasSelection: map.selectedCount > 0,
      size: sizeOf(map.shownCount, camera.scale / camera.fitted) * ratio,
      stretches: isGoing ? [[0, grid.order.length]] : grid.stretches(window),
    });
    return "points";
  }

  #drawDensity(map, window, isHasty) {
    const { camera, grid } = map;
    const isFine = (density) => density.cell * camera.scale <= CELL * COARSEST;
    if (this.whole.window === null) {
      const { box } = grid;
      const side = Math.max(box.right - box.left, box.top - box.bottom, 1e-9);
      const cell = Math.max(side / MOST_ACROSS, (CELL / 2) / camera.fitted);
      this.whole.count(grown(box, cell), cell, map);
    }
    if (isFine(this.whole)) return this.whole.draw(camera);
    const isGood = this.detail.covers(window) && isFine(this.detail);
    if (!isGood && !isHasty) this.detail.count(camera.window(AROUND), CELL / camera.scale, map);
    return (this.detail.covers(window) ? this.detail : this.whole).draw(camera);
  }

  destroy() {
    // Browsers keep few contexts alive: give it back at once.
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

function grown({ left, right, bottom, top }, by) {
  return { left: left - by, right: right + by, bottom: bottom - by, top: top + by };
}
