// Everything without a mouse: from item to item, selecting, zooming.

const ARROWS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
};
const STEP = 60; // pixels

export function attachKeys(map, canvas) {
  const commands = {
    "+": () => map.press("closer"),
    "=": () => map.press("closer"),
    "-": () => map.press("farther"),
    0: () => map.press("fit"),
    p: () => map.press("pan"),
    b: () => map.press("box"),
    l: () => map.press("lasso"),
    m: () => map.press("sound"),
    v: () => map.choosing.outlineView(),
    Enter: () => map.choosing.chooseHovered(),
    " ": () => map.choosing.toggleHovered(),
    Escape: () => map.escape(),
  };

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    const command = commands[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!arrow && !command) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
    if (!arrow) return command();
    if (!event.shiftKey) return map.looking.beside(arrow);
    map.camera.pan(-arrow[0] * STEP, arrow[1] * STEP);
    map.moved();
  });
}
