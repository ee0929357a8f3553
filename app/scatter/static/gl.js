// The few calls of WebGL that are the same for points and for density.

export function makeProgram(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  // A context that was lost fails everything, and is told by its own event.
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(`shader: ${gl.getProgramInfoLog(program)}`);
  return program;
}

export function placesOf(gl, program, names) {
  return Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
}

// Scale and offset that take data to the clip space of the canvas.
export function setView(gl, places, camera) {
  const wide = (2 * camera.scale) / camera.width;
  const tall = (2 * camera.scale) / camera.height;
  gl.uniform2f(places.uScale, wide, tall);
  gl.uniform2f(places.uCentre, camera.x, camera.y);
}

// "#RRGGBB" or "rgb(r, g, b)" as three numbers up to 1.
export function rgbOf(text) {
  const trimmed = text.trim();
  if (trimmed.startsWith("#") && trimmed.length >= 7)
    return [1, 3, 5].map((at) => parseInt(trimmed.slice(at, at + 2), 16) / 255);
  const parts = trimmed.match(/[\d.]+/g);
  return parts && parts.length >= 3 ? parts.slice(0, 3).map((part) => part / 255) : [0.5, 0.5, 0.5];
}
