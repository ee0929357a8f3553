// From one map of the same items to the next: by itself, or held by hand.

import { Grid } from "./grid.js";

const GOING = 700; // ms from one map to the next
const MOST_GOING = 50_000; // items that move; more change at once

export class Motion {
  constructor(map) {
    this.map = map;
    this.began = 0; // when the way to the next map began; 0: it is there
    this.scrubbed = null; // share of the way, if somebody holds it by hand
  }

  get isHeld() {
    return this.began !== 0 || this.scrubbed !== null;
  }

  // How much of the way is done, 0 to 1.
  share() {
    if (this.scrubbed !== null) return this.scrubbed;
    if (!this.began) return 1;
    const passed = Math.min((performance.now() - this.began) / GOING, 1);
    return passed * passed * (3 - 2 * passed);
  }

  // Where items are on the way.
  positions() {
    const { from, xy } = this.map;
    const share = this.share();
    if (share >= 1) return xy;
    return xy.map((to, i) => from[i] + (to - from[i]) * share);
  }

  // Where an item is on the way: x (part 0) or y (part 1).
  positionOf(row, part, share) {
    const { from, xy } = this.map;
    const to = xy[2 * row + part];
    return share < 1 ? from[2 * row + part] + (to - from[2 * row + part]) * share : to;
  }

  // Set out for other positions; at once if they are of other items, or too many to follow.
  begin(xy, isNewItems) {
    const { map } = this;
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const goes = !isNewItems && map.xy.length === xy.length && xy.length / 2 <= MOST_GOING && !isCalm;
    map.from = goes ? this.positions() : xy;
    this.began = goes ? performance.now() : 0;
    this.scrubbed = null;
    map.xy = xy;
    map.grid = new Grid(xy);
  }

  // After a frame: one more is needed until the way is done.
  goOn(share) {
    if (this.scrubbed !== null) return;
    if (share < 1) this.map.redraw();
    else this.began = 0;
  }

  // Hold the way from one map to another by hand: share 0 is the one, 1 the other.
  hold(from, to, share) {
    const { map } = this;
    if (map.from !== from || map.xy !== to) {
      map.looking.leave();
      [map.from, map.xy] = [from, to];
      map.drawing.upload(map, "positions");
    }
    this.began = 0;
    this.scrubbed = share;
    map.redraw();
  }

  // Let go of it on a map.
  settle(xy, geometry) {
    const { map } = this;
    map.have.geometry = geometry;
    map.from = map.xy = xy;
    this.scrubbed = null;
    map.grid = new Grid(xy);
    map.camera.look(map.grid.box);
    map.drawing.upload(map, "positions");
    map.looking.fetchNear();
    map.redraw();
  }
}
