// The way through layers or checkpoints: a slider under the map, held by hand or played. Maps of all
// stops are fetched once; between two of them points are on their way.

import { make, showIcon } from "./dom.js";
import { fetchBytes } from "./fetching.js";

const PER_STOP = 1300; // ms of play from one stop to the next
const WAIT = 500; // ms of play at a stop

export class Journey {
  constructor(map, element) {
    this.map = map;
    this.stops = [];
    this.frames = [];
    this.play = make("button", "tool");
    this.play.type = "button";
    this.slider = make("input");
    this.slider.type = "range";
    this.slider.min = "0";
    this.slider.step = "0.01";
    this.slider.setAttribute("aria-label", "Way through the maps");
    this.name = make("output");
    element.append(this.play, this.slider, this.name);
    this.element = element;
    this.play.addEventListener("click", () => (this.timer ? this.#arrive() : this.#begin()));
    this.slider.addEventListener("input", () => {
      this.stop();
      this.#to(Number(this.slider.value));
    });
    this.slider.addEventListener("change", () => this.#arrive());
    this.slider.addEventListener("keydown", (event) => this.#key(event));
    this.stop();
  }

  // Stops are {name, geometry}; `at` is that which the server shows.
  async receive(stops, at) {
    const { map } = this;
    const key = stops.map((stop) => stop.geometry).join();
    if (key !== this.key) {
      this.stop();
      this.key = key;
      const found = await Promise.all(
        stops.map((stop) => fetchBytes(`${map.data.base}/array/${stop.geometry}`)),
      ).catch(() => []);
      if (key !== this.key) return;
      this.frames = found.map((bytes) => new Float32Array(bytes));
    }
    this.stops = stops;
    this.element.hidden = this.frames.length < 2;
    if (this.element.hidden) return;
    this.slider.max = String(stops.length - 1);
    if (!this.timer && map.motion.scrubbed === null) this.#show(at);
  }

  get isCalm() {
    return matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  #to(value) {
    const at = this.isCalm ? Math.round(value) : value;
    const from = Math.min(Math.floor(at), this.frames.length - 2);
    this.map.motion.hold(this.frames[from], this.frames[from + 1], at - from);
    this.#say(value);
  }

  // At a stop: let go, and tell the server.
  #arrive() {
    this.stop();
    const at = Math.round(Number(this.slider.value));
    this.map.motion.settle(this.frames[at], this.stops[at].geometry);
    this.#show(at);
    this.map.component.setStateValue("step", at);
  }

  #begin() {
    const last = this.frames.length - 1;
    let from = Number(this.slider.value) >= last ? 0 : Number(this.slider.value);
    let began = performance.now();
    const turn = () => {
      const passed = performance.now() - began;
      const share = Math.min(passed / PER_STOP, 1);
      const next = Math.min(Math.floor(from) + 1, last);
      const value = from + (next - from) * share * share * (3 - 2 * share);
      this.slider.value = String(value);
      this.#to(value);
      if (passed >= PER_STOP + WAIT) {
        if (next >= last) return this.#arrive();
        from = next;
        began = performance.now();
      }
      this.timer = requestAnimationFrame(turn);
    };
    this.timer = requestAnimationFrame(turn);
    this.#label("Stop", "stop");
  }

  stop() {
    cancelAnimationFrame(this.timer);
    this.timer = 0;
    this.#label("Play", "play");
  }

  // Keys go from stop to stop.
  #key(event) {
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const at = Math.round(Number(this.slider.value)) + way;
    this.slider.value = String(Math.min(Math.max(at, 0), this.frames.length - 1));
    this.#arrive();
  }

  #show(at) {
    this.slider.value = String(at);
    this.#say(at);
  }

  #say(value) {
    const { name } = this.stops[Math.round(value)];
    this.name.textContent = name;
    this.slider.setAttribute("aria-valuetext", name);
  }

  #label(words, icon) {
    this.play.title = words;
    this.play.setAttribute("aria-label", words);
    showIcon(this.play, icon);
  }
}
