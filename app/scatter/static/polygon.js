// Which rows an outline holds. The server decides by the same formula (app/selecting.py): even-odd,
// in 64 bits, on the same 32-bit coordinates.

export function isInside(x, y, corners) {
  let odd = false;
  for (let i = 0; i < corners.length; i++) {
    const [x1, y1] = corners[i];
    const [x2, y2] = corners[(i + 1) % corners.length];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
  }
  return odd;
}

export function rowsInside(grid, corners, colours) {
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  const window = {
    left: Math.min(...xs), right: Math.max(...xs), bottom: Math.min(...ys), top: Math.max(...ys),
  };
  const found = [];
  for (const [first, last] of grid.stretches(window)) {
    for (let at = first; at < last; at++) {
      const row = grid.order[at];
      const x = grid.xy[2 * row];
      const y = grid.xy[2 * row + 1];
      const isNear =
        x >= window.left && x <= window.right && y >= window.bottom && y <= window.top;
      if (isNear && colours[4 * row + 3] && isInside(x, y, corners)) found.push(row);
    }
  }
  return Uint32Array.from(found).sort();
}

// Drop corners closer than `least` pixels to the one before; a hand draws no finer.
export function thinned(track, least, most) {
  const kept = [track[0]];
  for (const corner of track) {
    const [x, y] = kept[kept.length - 1];
    if (Math.hypot(corner[0] - x, corner[1] - y) >= least) kept.push(corner);
  }
  if (kept.length <= most) return kept;
  return thinned(kept, least * 1.5, most);
}
