// The elements of the map. All text is set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  pan: "M5 9l-3 3 3 3M9 5l3-3 3 3M15 19l-3 3-3-3M19 9l3 3-3 3M2 12h20M12 2v20",
  box: "M4 4h3M10.5 4h3M17 4h3v3M20 10.5v3M20 17v3h-3M13.5 20h-3M7 20H4v-3M4 13.5v-3M4 7V4",
  lasso: "M7 17c-3-1-5-3.2-5-6 0-4 4.5-7 10-7s10 3 10 7-4.5 7-10 7c-1 0-2-.1-3-.3"
    + "M7 17a2 2 0 1 0 .01 0M7.5 19c.5 1.5 0 2.5-1.5 3",
  closer: "M12 5v14M5 12h14",
  farther: "M5 12h14",
  fit: "M3 9V3h6M15 3h6v6M21 15v6h-6M9 21H3v-6",
  play: "M7 5l12 7-12 7z",
  stop: "M8 6v12M16 6v12",
  clear: "M6 6l12 12M18 6L6 18",
  quiet: "M11 5L6 9H2v6h4l5 4zM16 9l6 6M22 9l-6 6",
  loud: "M11 5L6 9H2v6h4l5 4zM15.5 8.5a5 5 0 0 1 0 7M18.5 5.5a9 9 0 0 1 0 13",
};

const BUTTONS = [
  ["pan", "Move", "Drag to move (P)"],
  ["box", "Box", "Drag a box to select; Shift adds, Alt takes away (B)"],
  ["lasso", "Lasso", "Draw around items to select them; Shift adds, Alt takes away (L)"],
  null,
  ["closer", "Closer", "Closer (+, or Ctrl and wheel)"],
  ["farther", "Farther", "Farther (-)"],
  ["fit", "Whole map", "Show the whole map (0)"],
  null,
  ["sound", "Sound", "Play sounds when you point at them (M)"],
  ["clear", "Clear", "Let go of the selection (Esc)"],
];

export const KEYS =
  "Arrow keys go from item to item, with Shift they move the map. Enter chooses the item, Space "
  + "adds it to the selection or takes it out. V selects all in view, Escape lets go. Plus and "
  + "minus zoom, 0 shows "
  + "the whole map. B and L: box and lasso. M: sound.";

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined && text !== null) element.textContent = text;
  return element;
}

export function makeShape(shape, colour) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "-6 -6 12 12");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("shape");
  const path = document.createElementNS(SVG, "path");
  const outlines = {
    circle: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
    "triangle-up": "M0 -5.5L5.5 4.5H-5.5z",
    square: "M-4.5 -4.5H4.5V4.5H-4.5z",
  };
  path.setAttribute("d", outlines[shape] ?? outlines.circle);
  path.setAttribute("fill", colour);
  path.setAttribute("stroke", "currentColor");
  svg.append(path);
  return svg;
}

function makeIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function showIcon(button, name) {
  button.replaceChildren(makeIcon(name));
}

// Build everything once; `press` is called with the name of a button.
export function build(place, press) {
  const root = make("div", "map");
  const kinds = make("ul", "kinds");
  const stage = make("div", "stage");
  const points = make("canvas", "points");
  const overlay = make("canvas", "overlay");
  overlay.tabIndex = 0;
  overlay.setAttribute("role", "application");
  overlay.setAttribute("aria-roledescription", "map of items");
  const bar = make("div", "bar");
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", "Map tools");
  const buttons = {};
  for (const given of BUTTONS) {
    if (given === null) {
      bar.append(make("span", "gap"));
      continue;
    }
    const [name, label, title] = given;
    const button = make("button", "tool");
    button.type = "button";
    button.title = title;
    button.setAttribute("aria-label", label);
    button.append(makeIcon(name === "sound" ? "quiet" : name));
    button.addEventListener("click", () => press(name));
    buttons[name] = button;
    bar.append(button);
  }
  const card = make("div", "card");
  card.hidden = true;
  const count = make("div", "count");
  count.hidden = true;
  const hint = make("div", "hint");
  hint.hidden = true;
  const said = make("div", "said");
  said.setAttribute("aria-live", "polite");
  const values = make("div", "values");
  const journey = make("div", "journey");
  journey.hidden = true;
  const problem = make("div", "problem");
  problem.hidden = true;
  problem.setAttribute("role", "status");
  stage.append(points, overlay, count, hint, card, problem);
  const row = make("div", "row");
  row.append(stage, bar);
  root.append(kinds, row, journey, values, said);
  place.append(root);
  return {
    root, kinds, stage, points, overlay, bar, buttons, card, count, hint, said, values, problem,
    journey,
  };
}
