// Very many items as density: how many there are in a small square, and their mean colour. It is
// counted on the processor and drawn as one picture, so that moving costs nothing.

import { makeProgram, placesOf, setView } from "./gl.js";

const VERTEX = `#version 300 es
uniform vec2 uScale;
uniform vec2 uCentre;
uniform vec4 uWindow;   // left, bottom, right, top
out vec2 vAt;
void main() {
  vAt = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 at = mix(uWindow.xy, uWindow.zw, vAt);
  gl_Position = vec4((at - uCentre) * uScale, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 vAt;
uniform sampler2D uPicture;
out vec4 outColour;
void main() { outColour = texture(uPicture, vAt); }`;

export class Density {
  constructor(gl) {
    this.gl = gl;
    this.program = makeProgram(gl, VERTEX, FRAGMENT);
    this.places = placesOf(gl, this.program, ["uScale", "uCentre", "uWindow", "uPicture"]);
    this.array = gl.createVertexArray();
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    for (const [name, value] of [
      [gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    ]) gl.texParameteri(gl.TEXTURE_2D, name, value);
    this.window = null; // nothing counted yet
    this.cell = Infinity; // side of a square, in units of the data
  }

  forget() {
    this.window = null;
  }

  covers(window) {
    const own = this.window;
    return own !== null && own.left <= window.left && own.right >= window.right
      && own.bottom <= window.bottom && own.top >= window.top;
  }

  // Count a window in squares of side `cell`.
  count(window, cell, items) {
    const { gl } = this;
    const wide = Math.max(1, Math.ceil((window.right - window.left) / cell));
    const tall = Math.max(1, Math.ceil((window.top - window.bottom) / cell));
    const pixels = pictureOf(window, cell, wide, tall, items);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(
      gl.TEXTURE_2D, 0, gl.RGBA8, wide, tall, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels,
    );
    this.cell = cell;
    this.window = {
      left: window.left, right: window.left + wide * cell,
      bottom: window.bottom, top: window.bottom + tall * cell,
    };
  }

  draw(camera) {
    const { gl, places } = this;
    const { left, bottom, right, top } = this.window;
    gl.useProgram(this.program);
    gl.bindVertexArray(this.array);
    setView(gl, places, camera);
    gl.uniform4f(places.uWindow, left, bottom, right, top);
    gl.uniform1i(places.uPicture, 0);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.bindVertexArray(null);
  }
}

// Count, then colour: opaque where there are most, by the logarithm; with a selection, what is not
// selected counts as grey and faint.
function pictureOf(window, cell, wide, tall, { grid, colours, selected, selectedCount }) {
  const sums = new Float32Array(wide * tall * 4); // red, green, blue, how many
  const others = selectedCount > 0 ? new Float32Array(wide * tall) : null;
  for (const [first, last] of grid.stretches(window)) {
    for (let at = first; at < last; at++) {
      const row = grid.order[at];
      if (colours[4 * row + 3] === 0) continue;
      const column = Math.floor((grid.xy[2 * row] - window.left) / cell);
      const line = Math.floor((grid.xy[2 * row + 1] - window.bottom) / cell);
      if (column < 0 || line < 0 || column >= wide || line >= tall) continue;
      const square = line * wide + column;
      if (others && !selected[row]) {
        others[square]++;
        continue;
      }
      sums[4 * square] += colours[4 * row];
      sums[4 * square + 1] += colours[4 * row + 1];
      sums[4 * square + 2] += colours[4 * row + 2];
      sums[4 * square + 3]++;
    }
  }
  return toned(sums, others, wide * tall);
}

function toned(sums, others, squares) {
  const pixels = new Uint8Array(squares * 4);
  let most = 1;
  for (let square = 0; square < squares; square++)
    most = Math.max(most, sums[4 * square + 3], others ? others[square] : 0);
  const whole = Math.log1p(most);
  for (let square = 0; square < squares; square++) {
    const number = sums[4 * square + 3];
    const rest = others ? others[square] : 0;
    if (number + rest === 0) continue;
    const alpha = number
      ? 0.3 + 0.7 * (Math.log1p(number) / whole)
      : 0.1 + 0.3 * (Math.log1p(rest) / whole);
    for (let part = 0; part < 3; part++) // the canvas wants colours times alpha
      pixels[4 * square + part] = (number ? sums[4 * square + part] / number : 140) * alpha;
    pixels[4 * square + 3] = 255 * alpha;
  }
  return pixels;
}
