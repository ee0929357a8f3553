// What is in view: how a map begins, how it comes back, what a search brings into the middle, and
// what the server is told, which puts it into the address of the page.

const TOLD = 700; // ms without a move, after which the server is told

const left = new Map(); // by name of the component: how it was left, for the way back

export class Sight {
  constructor(map) {
    this.map = map;
    this.said = "null"; // what the server knows: the whole map
  }

  // Other positions have come: stay, or show all of them, or what was in view before.
  look(isNewItems) {
    const { camera, grid, data, name } = this.map;
    const wasFitted = camera.isFitted();
    camera.look(grid.box);
    const before = left.get(name);
    const isBack = isNewItems && before?.items === data.items && !before.isWhole;
    if (isBack) Object.assign(camera, before.view);
    else if (isNewItems || wasFitted) camera.fit();
    this.tellSoon();
  }

  // What the address of the page says of the view counts once; then the hand that moves the map.
  receive({ view, focus }, isNewItems) {
    const { camera, xy } = this.map;
    if (view && isNewItems && !this.hasView) {
      Object.assign(camera, { x: view[0], y: view[1], scale: view[2] * camera.fitted });
      this.said = view.join();
    }
    this.hasView = true;
    if (!focus || focus.stamp === this.focused) return;
    this.focused = focus.stamp;
    camera.frame(focus.rows.map((row) => [xy[2 * row], xy[2 * row + 1]]));
    for (const [x, y] of focus.places) camera.show(x, y);
    this.map.moved();
  }

  // After a frame: this is how the map would be left.
  remember() {
    const { camera, name, data } = this.map;
    left.set(name, { items: data.items, view: camera.view(), isWhole: camera.isFitted() });
  }

  tellSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#tell(), TOLD);
  }

  #tell() {
    const { map } = this;
    if (map.isGone || !map.data) return;
    const { camera } = map;
    const view = [camera.x, camera.y, camera.scale / camera.fitted];
    const told = camera.isFitted() ? null : view.map((part) => Number(part.toPrecision(5)));
    if (String(told) === this.said) return;
    this.said = String(told);
    map.component.setStateValue("view", told);
  }

  stop() {
    clearTimeout(this.timer);
  }
}
