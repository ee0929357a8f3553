// One map for every place on the page. Streamlit calls `mount` at first and whenever the data
// change; the map stays, so zoom, selection and what was fetched stay too.

import { createMap } from "./map.js";

const maps = new WeakMap();

export function mount(component) {
  const place = component.parentElement;
  if (!maps.has(place)) maps.set(place, createMap(place, component.name));
  maps.get(place).update(component);
  return () => setTimeout(() => leave(place), 0);
}

// Streamlit also clears up after a call that newer data have overtaken, while the map is in use. So
// it goes only when its place has left the page.
function leave(place) {
  if (place.isConnected) return;
  maps.get(place)?.destroy();
  maps.delete(place);
}
