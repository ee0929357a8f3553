// How many points this machine draws while the map moves. A graphics card draws all that are ever
// drawn as points; a machine that has none falls behind, and then sees density until the map rests.

const SLOW = 60; // ms between two frames
const QUICK = 28;
const FEWEST = 3000;

export class Budget {
  constructor() {
    this.points = Infinity;
    this.last = 0; // when the frame before began, while moving
  }

  // Tell of a frame that begins, of a moving map, after one of `drawn` points (0: density).
  frame(now, drawn) {
    const gap = now - this.last;
    this.last = now;
    if (gap > 1000 || !drawn) return; // the first of a movement, or not about points
    if (gap > SLOW) this.points = Math.max(FEWEST, Math.min(drawn, this.points) * 0.6);
    else if (gap < QUICK) this.points *= 1.02;
  }

  rest() {
    this.last = 0;
  }
}
