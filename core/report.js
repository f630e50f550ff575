"use strict";
// Draws the figures in the page's colours, and again when the reader turns from light to dark.
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
function draw() {
  const css = getComputedStyle(document.documentElement);
  const ink = css.getPropertyValue("--ink").trim();
  const quiet = css.getPropertyValue("--quiet").trim();
  const grid = css.getPropertyValue("--grid").trim();
  const hover = css.getPropertyValue("--hover").trim();
  const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, automargin: true };
  const titled = (given) => ({ ...given, ...axis, title: { ...given.title, font: { size: 13 } } });
  for (const [id, figure] of Object.entries(figures)) {
    const layout = {
      ...figure.layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
      hoverlabel: { bgcolor: hover, bordercolor: grid, font: { color: ink } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: quiet, activecolor: ink },
      xaxis: titled(figure.layout.xaxis),
      yaxis: titled(figure.layout.yaxis),
    };
    Plotly.react(id, figure.data, layout, { responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] });
  }
}
dark.addEventListener("change", draw);
draw();
