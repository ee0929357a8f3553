// Colours and type of the page, as Streamlit's theme has them: for what is drawn on the canvases.

import { rgbOf } from "./gl.js";

export function themeOf(element) {
  const style = getComputedStyle(element);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const ink = read("--st-text-color", "#1D2730");
  const paper = read("--st-background-color", "#FFFFFF");
  const paperRgb = rgbOf(paper);
  // A light rim lifts dark colours from a dark page; on a light page it parts those that touch.
  const isDark = paperRgb[1] < 0.5;
  const inkRgb = rgbOf(ink);
  const rimRgb = paperRgb.map((part, i) => (isDark ? 0.35 * part + 0.65 * inkRgb[i] : part));
  const font = read("--st-font", "sans-serif");
  const accent = read("--st-primary-color", "#0072B2");
  return { ink, paper, font, accent, paperRgb, rimRgb };
}
