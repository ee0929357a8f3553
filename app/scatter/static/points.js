// Items as points: circles, triangles and squares with a smooth edge and a rim of the background's
// colour. Positions go from one map to the next on the graphics card.

import { makeProgram, placesOf, setView } from "./gl.js";

const VERTEX = `#version 300 es
in vec2 aFrom;
in vec2 aTo;
in vec4 aColour;   // alpha 0: hidden
in float aKind;
in float aSelected;
uniform vec2 uScale;
uniform vec2 uCentre;
uniform float uShare;     // of the way from aFrom to aTo
uniform float uSize;      // of a point, in pixels of the canvas
uniform float uPass;      // 0: everything, 1: what is not selected, 2: what is
out vec3 vColour;
flat out int vKind;
flat out float vFaint;
void main() {
  bool isSelected = aSelected > 0.5;
  bool isLeftOut = aColour.a < 0.5 || (uPass > 1.5 && !isSelected)
      || (uPass > 0.5 && uPass < 1.5 && isSelected);
  vec2 at = mix(aFrom, aTo, uShare);
  gl_Position = isLeftOut ? vec4(2.0, 2.0, 2.0, 1.0) : vec4((at - uCentre) * uScale, 0.0, 1.0);
  gl_PointSize = uSize + 2.0;
  vColour = aColour.rgb;
  vKind = int(aKind + 0.5);
  vFaint = uPass > 0.5 && uPass < 1.5 ? 1.0 : 0.0;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec3 vColour;
flat in int vKind;
flat in float vFaint;
uniform float uSize;
uniform vec3 uPaper;
uniform vec3 uRim;
out vec4 outColour;
// Distance to the edge in pixels, negative inside. Areas of the three shapes are about the same.
float edge(vec2 p, float r) {
  if (vKind == 1) {
    p.y += 0.18 * r;
    float side = 1.2 * r;
    p.x = abs(p.x);
    return max(dot(p - vec2(0.0, 1.32 * side), vec2(0.8944, 0.4472)), -p.y - 0.62 * side);
  }
  if (vKind == 2) {
    vec2 q = abs(p) - vec2(0.84 * r);
    return max(q.x, q.y);
  }
  return length(p) - r;
}
void main() {
  vec2 p = (gl_PointCoord - 0.5) * (uSize + 2.0);
  float d = edge(vec2(p.x, -p.y), uSize * 0.5 - 0.5);
  float cover = 1.0 - smoothstep(-0.2, 1.0, d);
  if (cover <= 0.0) discard;
  float rim = uSize > 5.0 ? smoothstep(-1.3, -0.3, d) * 0.75 : 0.0;
  vec3 colour = mix(mix(vColour, uRim, rim), mix(vec3(0.55), uPaper, 0.35), vFaint * 0.85);
  float alpha = cover * mix(0.9, 0.38, vFaint);
  outColour = vec4(colour * alpha, alpha);
}`;

export class Points {
  constructor(gl) {
    this.gl = gl;
    this.program = makeProgram(gl, VERTEX, FRAGMENT);
    this.places = placesOf(gl, this.program, [
      "uScale", "uCentre", "uShare", "uSize", "uPass", "uPaper", "uRim",
    ]);
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    this.buffers = {};
    this.#attribute("aFrom", 2, gl.FLOAT, false);
    this.#attribute("aTo", 2, gl.FLOAT, false);
    this.#attribute("aColour", 4, gl.UNSIGNED_BYTE, true);
    this.#attribute("aKind", 1, gl.UNSIGNED_BYTE, false);
    this.#attribute("aSelected", 1, gl.UNSIGNED_BYTE, false);
    this.order = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.order);
    gl.bindVertexArray(null);
  }

  #attribute(name, size, type, normalised) {
    const { gl } = this;
    const at = gl.getAttribLocation(this.program, name);
    this.buffers[name] = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, type, normalised, 0, 0);
  }

  upload(name, values) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
  }

  uploadOrder(order) {
    const { gl } = this;
    gl.bindVertexArray(this.array);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
  }

  draw({ camera, share, size, paper, rim, stretches, hasSelection }) {
    const { gl, places } = this;
    gl.useProgram(this.program);
    gl.bindVertexArray(this.array);
    setView(gl, places, camera);
    gl.uniform1f(places.uShare, share);
    gl.uniform3f(places.uPaper, ...paper);
    gl.uniform3f(places.uRim, ...rim);
    for (const pass of hasSelection ? [1, 2] : [0]) {
      gl.uniform1f(places.uPass, pass);
      gl.uniform1f(places.uSize, pass === 2 ? size * 1.15 : size);
      for (const [first, last] of stretches)
        gl.drawElements(gl.POINTS, last - first, gl.UNSIGNED_INT, 4 * first);
    }
    gl.bindVertexArray(null);
  }
}

// Diameter in CSS pixels: smaller where there are many, larger when looked at closely.
export function sizeOf(count, closeness) {
  const size = Math.min(Math.max(8 * (2000 / Math.max(count, 1)) ** 0.25, 3), 11);
  return Math.min(size * Math.min(Math.max(closeness ** 0.4, 1), 3), 16);
}
