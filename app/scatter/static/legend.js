// What shapes and colours stand for. Names are of the data: they are set as text.

import { make, makeShape } from "./dom.js";

export function fillLegend(elements, legend) {
  elements.kinds.replaceChildren(
    ...legend.kinds.map(({ name, shape, count }) => {
      const entry = make("li");
      entry.append(makeShape(shape, "currentColor"), make("span", "", `${spaced(count)} ${name}`));
      return entry;
    }),
  );
  elements.values.replaceChildren(
    ...(legend.scale ? [scaleOf(legend.title, legend.scale)] : [listOf(legend)]),
  );
}

function listOf({ title, values }) {
  const list = make("ul", "hues");
  list.setAttribute("aria-label", `Colours: ${title}`);
  for (const { name, colour, count } of values) {
    const entry = make("li");
    entry.append(makeShape("circle", colour), make("span", "", name));
    entry.title = `${spaced(count)} items`;
    list.append(entry);
  }
  return list;
}

function scaleOf(title, { low, high, colours }) {
  const scale = make("div", "scale");
  const band = make("span", "band");
  band.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  scale.append(make("span", "", title), make("span", "", short(low)), band, make("span", "", short(high)));
  return scale;
}

function short(value) {
  return String(Number(value.toPrecision(3)));
}

// 1234567 as "1 234 567", with narrow spaces.
export function spaced(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}
