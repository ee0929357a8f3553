// Maps that stand side by side: what is looked at or selected on one is so on the others, if they
// show the same items.

const groups = new Map(); // by name

export function join(map, name) {
  if (map.group === name) return;
  leave(map);
  map.group = name;
  if (!name) return;
  if (!groups.has(name)) groups.set(name, new Set());
  groups.get(name).add(map);
}

export function leave(map) {
  groups.get(map.group)?.delete(map);
  map.group = null;
}

export function others(map) {
  const all = [...(groups.get(map.group) ?? [])];
  return all.filter((other) => other !== map && other.have.items === map.have.items);
}
