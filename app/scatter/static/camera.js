// Which part of the map is on the canvas. Data have y upwards, the screen downwards; lengths on the
// screen are CSS pixels.

const MARGIN = 0.06; // of the canvas, on every side
const CLOSEST = 4000; // times the scale at which everything is seen
const FARTHEST = 0.4;

export class Camera {
  constructor() {
    this.x = 0; // data, in the middle of the canvas
    this.y = 0;
    this.scale = 1; // CSS pixels to a unit of the data
    this.width = 1;
    this.height = 1;
    this.fitted = 1; // the scale at which everything is seen
    this.box = { left: -1, right: 1, bottom: -1, top: 1 };
  }

  resize(width, height) {
    const zoom = this.scale / this.fitted;
    const wasFitted = Math.abs(zoom - 1) < 1e-6;
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.look(this.box);
    this.scale = zoom * this.fitted;
    if (wasFitted) this.fit();
  }

  // Say what there is to see, without moving.
  look(box) {
    this.box = box;
    const wide = Math.max(box.right - box.left, 1e-9);
    const tall = Math.max(box.top - box.bottom, 1e-9);
    const room = 1 - 2 * MARGIN;
    this.fitted = Math.min((this.width * room) / wide, (this.height * room) / tall);
  }

  fit() {
    this.x = (this.box.left + this.box.right) / 2;
    this.y = (this.box.bottom + this.box.top) / 2;
    this.scale = this.fitted;
  }

  toScreen(x, y) {
    return [
      (x - this.x) * this.scale + this.width / 2,
      this.height / 2 - (y - this.y) * this.scale,
    ];
  }

  toData(left, top) {
    return [
      (left - this.width / 2) / this.scale + this.x,
      (this.height / 2 - top) / this.scale + this.y,
    ];
  }

  pan(right, down) {
    this.x = clamp(this.x - right / this.scale, this.box.left, this.box.right);
    this.y = clamp(this.y + down / this.scale, this.box.bottom, this.box.top);
  }

  // Zoom so that what is under the pointer stays under it.
  zoomAt(left, top, factor) {
    const [x, y] = this.toData(left, top);
    this.scale = clamp(this.scale * factor, this.fitted * FARTHEST, this.fitted * CLOSEST);
    const [nowX, nowY] = this.toData(left, top);
    this.x += x - nowX;
    this.y += y - nowY;
  }

  isFitted() {
    const near = (one, other) => Math.abs(one - other) * this.fitted < 0.5;
    return Math.abs(this.scale / this.fitted - 1) < 1e-3
      && near(this.x, (this.box.left + this.box.right) / 2)
      && near(this.y, (this.box.bottom + this.box.top) / 2);
  }

  // Bring some places into the middle, as close as all of them allow, but not closer than 4 times.
  frame(places) {
    if (!places.length) return;
    const [xs, ys] = [0, 1].map((part) => places.map((place) => place[part]));
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const [bottom, top] = [Math.min(...ys), Math.max(...ys)];
    this.x = (left + right) / 2;
    this.y = (bottom + top) / 2;
    const room = 0.6;
    const most = Math.min((this.width * room) / Math.max(right - left, 1e-9),
      (this.height * room) / Math.max(top - bottom, 1e-9));
    this.scale = clamp(most, this.fitted * FARTHEST, this.fitted * 4);
  }

  view() {
    return { x: this.x, y: this.y, scale: this.scale };
  }

  // Bring a place into view if it is not, without zooming.
  show(x, y) {
    const [left, top] = this.toScreen(x, y);
    const edge = 30;
    if (left < edge || left > this.width - edge) this.x = x;
    if (top < edge || top > this.height - edge) this.y = y;
  }

  // The part of the data that is seen, and a share of its size more on every side.
  window(more = 0) {
    const halfWide = ((0.5 + more) * this.width) / this.scale;
    const halfTall = ((0.5 + more) * this.height) / this.scale;
    return {
      left: this.x - halfWide,
      right: this.x + halfWide,
      bottom: this.y - halfTall,
      top: this.y + halfTall,
    };
  }
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
