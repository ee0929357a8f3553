// Mouse, pen and fingers. One drag moves the map or draws an outline, two fingers zoom, a wheel
// zooms once the map has been clicked, a click chooses.

import { thinned } from "./polygon.js";

const STILL = 5; // pixels a click may wander
const MOST_CORNERS = 300;
const FINEST = 3; // pixels

export function attachPointer(map, canvas) {
  const down = new Map(); // pointers that touch, by id: where they are
  let start = null; // of a drag: place and tool
  let spread = 0; // between two fingers

  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, placeOf(event));
    if (down.size === 2) {
      const [one, two] = [...down.values()];
      spread = Math.hypot(one[0] - two[0], one[1] - two[1]);
      start = null;
      map.setTrack([]);
      return;
    }
    const how = event.altKey ? "subtract" : event.shiftKey ? "add" : "new";
    const tool = how !== "new" && map.tool === "pan" ? "lasso" : map.tool;
    start = { place: placeOf(event), tool, hasMoved: false, how };
  });

  canvas.addEventListener("pointermove", (event) => {
    const place = placeOf(event);
    if (!down.has(event.pointerId)) return map.looking.at(...place);
    const before = down.get(event.pointerId);
    down.set(event.pointerId, place);
    if (down.size === 2) return pinch(before, place);
    if (start) drag(before, place);
  });

  function pinch(before, place) {
    const [one, two] = [...down.values()];
    const now = Math.hypot(one[0] - two[0], one[1] - two[1]);
    map.camera.pan((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
    if (spread > 0 && now > 0)
      map.camera.zoomAt((one[0] + two[0]) / 2, (one[1] + two[1]) / 2, now / spread);
    spread = now;
    map.moved();
  }

  function drag(before, place) {
    const [x, y] = start.place;
    if (!start.hasMoved && Math.hypot(place[0] - x, place[1] - y) < STILL) return;
    start.hasMoved = true;
    map.looking.leave();
    if (start.tool === "pan") {
      map.camera.pan(place[0] - before[0], place[1] - before[1]);
      map.moved();
    } else if (start.tool === "box") {
      map.setTrack([[x, y], [place[0], y], place, [x, place[1]]]);
    } else {
      map.setTrack(map.track.length ? [...map.track, place] : [[x, y], place]);
    }
  }

  function end(event) {
    const known = down.delete(event.pointerId);
    if (!known || !start) return;
    const { tool, hasMoved, how } = start;
    start = null;
    if (!hasMoved) {
      if (event.type === "pointerup") map.choosing.clickAt(...placeOf(event), how !== "new");
      return;
    }
    if (tool === "pan") return;
    const track = thinned(map.track, FINEST, MOST_CORNERS);
    map.setTrack([]);
    if (event.type === "pointerup" && track.length >= 3) map.choosing.outline(track, how);
  }

  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", (event) => {
    // A finger that was lifted has left, but what it pointed at is to be read.
    if (!down.size && event.pointerType !== "touch") map.looking.leave();
  });
  canvas.addEventListener("dblclick", (event) => {
    map.camera.zoomAt(...placeOf(event), event.shiftKey ? 0.5 : 2);
    map.moved();
  });
  canvas.addEventListener("wheel", (event) => wheel(event), { passive: false });

  // A page that scrolls must not be caught by the map: the wheel is ours only after a click.
  function wheel(event) {
    const isOurs = event.ctrlKey || event.metaKey || canvas.getRootNode().activeElement === canvas;
    if (!isOurs) return map.hint("Click the map, or hold Ctrl, to zoom with the wheel");
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    map.camera.zoomAt(...placeOf(event), Math.exp(-event.deltaY * lines * 0.0016));
    map.moved();
  }
}
