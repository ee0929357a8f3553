"use strict";
(() => {
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const hasWebGL = !!document.createElement("canvas").getContext("webgl");
  const config = {
    displaylogo: false, responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };

  /* What of a layout follows the page: ink, lines, no background of its own. */
  const themed = (layout) => {
    const axis = { color: colour("--ink"), gridcolor: colour("--line"), linecolor: colour("--line"),
                   zerolinecolor: colour("--line"), automargin: true, fixedrange: false };
    const look = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
      height: layout.height || 340, margin: { l: 46, r: 14, t: 10, b: 36 },
      font: { color: colour("--ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      hoverlabel: { align: "left", bgcolor: colour("--panel"), bordercolor: colour("--line"),
                    font: { color: colour("--ink") } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink") },
    };
    return { ...layout, ...look,
             xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis } };
  };

  const figures = new Map();  /* plot element -> data and layout as they came */
  const draw = (plot) => {
    if (figures.has(plot)) return;
    const made = JSON.parse(plot.nextElementSibling.textContent);
    if (!hasWebGL) made.data.forEach((t) => { if (t.type === "scattergl") t.type = "scatter"; });
    figures.set(plot, made);
    Plotly.newPlot(plot, made.data, themed(made.layout), config);
  };
  const drawVisible = (within) =>
    within.querySelectorAll(".option:not([hidden]) .plot").forEach(draw);
  const recolour = () => figures.forEach((made, plot) => {
    if (plot.offsetParent) Plotly.react(plot, made.data, themed(made.layout), config);
  });

  document.querySelectorAll("select[data-choice]").forEach((select) => {
    select.value = "0";
    select.addEventListener("change", () => {
      const exhibit = select.closest(".exhibit");
      exhibit.querySelectorAll(".option").forEach((option) => {
        option.hidden = option.dataset.number !== select.value;
      });
      drawVisible(exhibit);
      recolour();
    });
  });

  document.querySelectorAll(".key").forEach((key) => key.addEventListener("click", () => {
    const shown = key.getAttribute("aria-pressed") === "false";
    key.setAttribute("aria-pressed", String(shown));
    key.closest(".option").querySelectorAll(".plot").forEach((plot) => {
      const rows = plot.data.flatMap((t, n) => (t.name === key.dataset.trace ? [n] : []));
      if (rows.length) Plotly.restyle(plot, { visible: shown }, rows);
    });
  }));

  const isDark = () => (root.dataset.theme ||
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

  /* On paper: dark ink, tables open but for the long ones, figures as wide as the paper. */
  let before = null;
  addEventListener("beforeprint", () => {
    before = { theme: root.dataset.theme, closed: [...document.querySelectorAll("details:not([open], .long)")] };
    root.dataset.theme = "light";
    before.closed.forEach((one) => { one.open = true; });
    recolour();
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    if (before.theme) root.dataset.theme = before.theme; else delete root.dataset.theme;
    before.closed.forEach((one) => { one.open = false; });
    before = null;
    recolour();
  });

  drawVisible(document);
  root.dataset.drawn = "yes";
})();
