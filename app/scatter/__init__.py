"""The map as a component of our own: WebGL in the browser, arrays by their hash, no build step."""
