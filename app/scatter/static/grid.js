// Rows sorted into square cells, so that what is in a window, or next to the pointer, is found
// without looking at everything. Cells of one row of the grid follow each other: a window is a
// few stretches of `order`.

const ROWS_A_CELL = 8;
const MOST_CELLS_ACROSS = 512;

export class Grid {
  constructor(xy) {
    const n = xy.length / 2;
    this.xy = xy;
    this.across = Math.min(MOST_CELLS_ACROSS, Math.max(1, Math.ceil(Math.sqrt(n / ROWS_A_CELL))));
    this.box = boxOf(xy);
    this.cellWide = Math.max((this.box.right - this.box.left) / this.across, 1e-12);
    this.cellTall = Math.max((this.box.top - this.box.bottom) / this.across, 1e-12);
    this.starts = new Uint32Array(this.across * this.across + 1);
    this.order = new Uint32Array(n);
    this.#sort(n);
  }

  #sort(n) {
    const cells = new Uint32Array(n);
    for (let row = 0; row < n; row++) {
      const cell =
        this.#line(this.xy[2 * row + 1]) * this.across + this.#column(this.xy[2 * row]);
      cells[row] = cell;
      this.starts[cell + 1]++;
    }
    for (let cell = 0; cell < this.starts.length - 1; cell++)
      this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    for (let row = 0; row < n; row++) this.order[next[cells[row]]++] = row;
  }

  #column(x) {
    return bounded(Math.floor((x - this.box.left) / this.cellWide), this.across);
  }

  #line(y) {
    return bounded(Math.floor((y - this.box.bottom) / this.cellTall), this.across);
  }

  // Stretches [first, last) of `order` that hold all rows of a window, and some around it.
  stretches(window) {
    const { box } = this;
    const apart =
      window.right < box.left || window.left > box.right ||
      window.top < box.bottom || window.bottom > box.top;
    if (apart) return [];
    const from = this.#column(window.left);
    const to = this.#column(window.right);
    const found = [];
    for (let line = this.#line(window.bottom); line <= this.#line(window.top); line++) {
      const first = this.starts[line * this.across + from];
      const last = this.starts[line * this.across + to + 1];
      const before = found[found.length - 1];
      if (first === last) continue;
      if (before && before[1] === first) before[1] = last;
      else found.push([first, last]);
    }
    return found;
  }

  count(window) {
    return this.stretches(window).reduce((sum, [first, last]) => sum + last - first, 0);
  }

  // The row nearest to a place, no farther than `reach`; -1 if there is none.
  nearest(x, y, reach, colours) {
    const window = { left: x - reach, right: x + reach, bottom: y - reach, top: y + reach };
    let best = -1;
    let least = reach * reach;
    for (const [first, last] of this.stretches(window)) {
      for (let at = first; at < last; at++) {
        const row = this.order[at];
        const dx = this.xy[2 * row] - x;
        const dy = this.xy[2 * row + 1] - y;
        const distance = dx * dx + dy * dy;
        if (distance <= least && colours[4 * row + 3]) {
          least = distance;
          best = row;
        }
      }
    }
    return best;
  }
}

// The next row from a row in a direction: ahead, not more to the side than ahead, and near. Of rows
// in the same place right leads to the next one, left to the one before.
export function rowBeside(xy, from, [right, up], colours) {
  const beneath = right ? rowInPlace(xy, from, right, colours) : -1;
  if (beneath >= 0) return beneath;
  let best = -1;
  let least = Infinity;
  for (let row = 0; row < xy.length / 2; row++) {
    const dx = xy[2 * row] - xy[2 * from];
    const dy = xy[2 * row + 1] - xy[2 * from + 1];
    const ahead = dx * right + dy * up;
    const aside = Math.abs(dx * up) + Math.abs(dy * right);
    if (row === from || ahead <= 0 || aside > ahead || !colours[4 * row + 3]) continue;
    const distance = ahead + 2 * aside;
    if (distance < least) {
      least = distance;
      best = row;
    }
  }
  return best;
}

function rowInPlace(xy, from, step, colours) {
  for (let row = from + step; row >= 0 && row < xy.length / 2; row += step) {
    const isHere = xy[2 * row] === xy[2 * from] && xy[2 * row + 1] === xy[2 * from + 1];
    if (isHere && colours[4 * row + 3]) return row;
  }
  return -1;
}

export function boxOf(xy) {
  const box = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  for (let at = 0; at < xy.length; at += 2) {
    if (xy[at] < box.left) box.left = xy[at];
    if (xy[at] > box.right) box.right = xy[at];
    if (xy[at + 1] < box.bottom) box.bottom = xy[at + 1];
    if (xy[at + 1] > box.top) box.top = xy[at + 1];
  }
  return xy.length ? box : { left: -1, right: 1, bottom: -1, top: 1 };
}

function bounded(cell, across) {
  return cell < 0 ? 0 : cell >= across ? across - 1 : cell;
}
