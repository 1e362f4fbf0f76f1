// Draws the tables that ask for it. The table stays: it is what a screen reader, or a browser without scripts, has.
"use strict";
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const count = (cell) => Number(cell.textContent.replaceAll(",", ""));

function rowsOf(chart) {
  return [...document.getElementById(chart.dataset.table).tBodies[0].rows];
}

function traces(chart) {
  const rows = rowsOf(chart);
  if (chart.dataset.chart === "days") {
    const kind = chart.closest("section").classList.item(2);
    return [{
      type: "bar", x: rows.map((row) => row.cells[0].textContent), y: rows.map((row) => count(row.cells[1])),
      marker: { color: colour(`--${kind}`) }, hovertemplate: "%{x}: %{y:,}<extra></extra>",
    }];
  }
  return ["Phantoms", "Orphans", "Mismatches"].map((name, place) => ({
    name, type: "scatter", mode: "lines+markers", line: { color: colour(`--${name.toLowerCase()}`), width: 2.5 },
    marker: { symbol: ["circle", "square", "diamond"][place], size: 8 },
    x: rows.map((row) => row.querySelector("time").dateTime), y: rows.map((row) => count(row.cells[place + 1])),
    customdata: rows.map((row) => row.querySelector("a").href),
    hovertemplate: `%{x|%Y-%m-%d %H:%M}: %{y:,} ${name.toLowerCase()}<extra></extra>`,
  }));
}

function draw(chart) {
  const axis = { color: colour("--muted"), gridcolor: colour("--line"), zeroline: false, fixedrange: true };
  const shown = traces(chart);
  const most = Math.max(...shown.flatMap((trace) => trace.y));
  const layout = {
    autosize: true, margin: { l: 48, r: 12, t: 8, b: 36 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 13, color: colour("--muted") }, hovermode: "closest",
    legend: { orientation: "h", y: 1.16 }, showlegend: chart.dataset.chart === "trend",
    xaxis: { ...axis, type: chart.dataset.chart === "trend" ? "date" : "category", nticks: chart.dataset.chart === "trend" ? 8 : 4, tickangle: 0 },
    yaxis: { ...axis, rangemode: "tozero", tickformat: ",d", nticks: 5, ...(most < 5 ? { dtick: 1 } : {}) },
  };
  Plotly.react(chart, shown, layout, { displayModeBar: false, responsive: true });
}

function drawAll() {
  for (const chart of document.querySelectorAll(".chart")) {
    const first = chart.hidden;
    chart.hidden = false;
    chart.setAttribute("aria-hidden", "true");
    draw(chart);
    if (first) chart.on("plotly_click", ({ points }) => { if (points[0].customdata) location.assign(points[0].customdata); });
  }
}
drawAll();
addEventListener("themechange", drawAll);
addEventListener("fresh", drawAll);
