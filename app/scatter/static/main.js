// One map for every place on the page. Streamlit calls `mount` at first and whenever the data
// change; the map stays, so zoom, selection and what was fetched stay too.

import { createMap } from "./map.js";

const maps = new WeakMap();

export function mount(component) {
  const place = component.parentElement;
  if (!maps.has(place)) maps.set(place, createMap(place, component.name));
  const map = maps.get(place);
  map.update(component);
  return () => {
    map.destroy();
    maps.delete(place);
  };
}
