// Rings, lines and outlines over the points, on a plain canvas.

const START = 11; // radius of the ring around what is looked at, in pixels
const END = 8; // of those around its neighbours

export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  // at(row) gives the place of a row on the screen, or null if it is hidden.
  draw(map, at) {
    const { pen, canvas } = this;
    const ratio = canvas.width / map.camera.width;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, map.camera.width, map.camera.height);
    pen.lineJoin = pen.lineCap = "round";
    const { chosen, ink, paper } = map;
    const { near, row, subject } = map.looking;
    if (subject >= 0 && near.row === subject) this.#near(near.list, at, subject, ink, paper);
    if (chosen >= 0) this.#partners(map.partners, at, chosen, ink, paper);
    if (chosen >= 0) this.#ring(at(chosen), START, 3, ink, paper);
    if (row >= 0 && row !== chosen) this.#ring(at(row), START, 2, ink, paper);
    if (map.echo >= 0) this.#ring(at(map.echo), START + 3, 3, map.accent, paper);
    for (const found of map.data.found) this.#ring(at(found), END, 2.5, map.accent, paper);
    if (!map.motion.isHeld) this.#names(map.data.names, map, ink, paper);
    for (const guest of map.motion.isHeld ? [] : map.data.guests) this.#guest(guest, map, paper);
    if (map.track.length > 1) this.#outline(map.track, map.accent);
  }

  #near(list, at, from, ink, paper) {
    const start = at(from);
    if (!start) return;
    list.forEach(({ row }, place) => {
      const end = at(row);
      if (!end) return;
      const share = 1 - place / list.length; // the nearest is the boldest
      this.#line(start, end, 0.8 + 1.6 * share, ink, paper, []);
      this.#ring(end, END, 1.5, ink, paper);
    });
  }

  #partners(rows, at, from, ink, paper) {
    const start = at(from);
    for (const row of start ? rows : []) {
      const end = at(row);
      if (!end) continue;
      this.#line(start, end, 1.6, ink, paper, [2, 5]);
      this.#ring(end, END, 2, ink, paper);
    }
  }

  // From ring to ring, so that the points in them are seen.
  #line([x1, y1], [x2, y2], width, ink, paper, dash) {
    const { pen } = this;
    const long = Math.hypot(x2 - x1, y2 - y1);
    if (long <= START + END) return;
    const [right, down] = [(x2 - x1) / long, (y2 - y1) / long];
    pen.beginPath();
    pen.moveTo(x1 + START * right, y1 + START * down);
    pen.lineTo(x2 - END * right, y2 - END * down);
    for (const [colour, more, alpha] of [[paper, 2, 0.6], [ink, 0, 0.85]]) {
      pen.strokeStyle = colour;
      pen.globalAlpha = alpha;
      pen.lineWidth = width + more;
      pen.setLineDash(more ? [] : dash);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    pen.setLineDash([]);
  }

  #ring(place, radius, width, ink, paper) {
    if (!place) return;
    const { pen } = this;
    for (const [colour, more] of [[paper, 2], [ink, 0]]) {
      pen.beginPath();
      pen.arc(place[0], place[1], radius, 0, 2 * Math.PI);
      pen.strokeStyle = colour;
      pen.lineWidth = width + more;
      pen.stroke();
    }
  }

  // Names of groups at their middle; where two would overlap, that of the larger group stays.
  #names(names, map, ink, paper) {
    const { pen } = this;
    const taken = [];
    pen.font = `600 13px ${map.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const { text, x, y } of names) {
      const [left, top] = map.camera.toScreen(x, y);
      const half = pen.measureText(text).width / 2 + 4;
      const box = [left - half, top - 10, left + half, top + 10];
      const isOver = ([l, t, r, b]) => box[0] < r && box[2] > l && box[1] < b && box[3] > t;
      if (taken.some(isOver)) continue;
      taken.push(box);
      pen.lineWidth = 4;
      pen.strokeStyle = paper;
      pen.strokeText(text, left, top);
      pen.fillStyle = ink;
      pen.fillText(text, left, top);
    }
  }

  // An item that was brought: a pin, with its name.
  #guest({ text, x, y }, map, paper) {
    const { pen } = this;
    const [left, top] = map.camera.toScreen(x, y);
    pen.beginPath();
    for (let point = 0; point < 10; point++) {
      const radius = point % 2 ? 5 : 12;
      const angle = (point * Math.PI) / 5 - Math.PI / 2;
      pen.lineTo(left + radius * Math.cos(angle), top + radius * Math.sin(angle));
    }
    pen.closePath();
    pen.lineWidth = 4;
    pen.strokeStyle = paper;
    pen.stroke();
    pen.fillStyle = map.accent;
    pen.fill();
    pen.font = `600 13px ${map.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "bottom";
    pen.strokeText(text, left, top - 15);
    pen.fillText(text, left, top - 15);
  }

  #outline(track, colour) {
    const { pen } = this;
    pen.beginPath();
    track.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.fillStyle = colour;
    pen.globalAlpha = 0.14;
    pen.fill("evenodd");
    pen.globalAlpha = 1;
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.setLineDash([6, 4]);
    pen.stroke();
    pen.setLineDash([]);
  }
}
