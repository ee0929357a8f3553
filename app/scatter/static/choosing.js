// What follows from a click, a key or a stroke: an item is chosen, or items are lit up.

import { rowsInside } from "./polygon.js";

export class Choosing {
  constructor(map) {
    this.map = map;
  }

  clickAt(left, top, isToggle) {
    const { looking } = this.map;
    looking.at(left, top);
    if (looking.row < 0) return;
    if (isToggle) this.toggleHovered();
    else this.chooseHovered();
  }

  chooseHovered() {
    const { map } = this;
    const { row } = map.looking;
    if (row < 0) return;
    map.chosen = row; // at once; the server says the same a moment later
    map.redraw();
    map.component.setTriggerValue("chosen", row);
  }

  toggleHovered() {
    const { looking, selection } = this.map;
    if (looking.row >= 0) this.map.announce(selection.toggle(looking.row));
  }

  outline(track, how) {
    const { map } = this;
    if (map.motion.isHeld || !map.data) return;
    const corners = track.map(([left, top]) => map.camera.toData(left, top));
    map.selection.outline(corners, rowsInside(map.grid, corners, map.colours), how);
  }

  // Everything that is in view.
  outlineView() {
    const { width, height } = this.map.camera;
    this.outline([[0, 0], [width, 0], [width, height], [0, height]], "new");
  }
}
