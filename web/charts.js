// charts - bars on a canvas, drawn by Chart.js, which the page loads from the distribution's package.
//
// Owns colours and axes.  A bar's height is near enough; its label is exact text that the caller gives.

import { inShort, inWords } from "./days.js";

const { Chart } = globalThis;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Chart.js draws what CSS does not reach; so colours are read when a chart is drawn, and again when
// they change.
const drawn = new Map(); // canvas -> { chart, options }

function configuration({ buckets, series, isStacked, isSmall }) {
  const ticks = { color: colour("quiet"), maxRotation: 0, autoSkipPadding: isSmall ? 24 : 12, font: { size: 11 } };
  return {
    type: "bar",
    data: {
      labels: buckets.map(inShort),
      datasets: series.map((one) => ({
        label: one.label,
        data: one.heights,
        backgroundColor: colour(one.colour),
        borderWidth: 0,
        barPercentage: 1,
        categoryPercentage: 0.82,
      })),
    },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked: isStacked, grid: { display: false }, border: { color: colour("line") }, ticks },
        y: {
          stacked: isStacked,
          beginAtZero: true,
          grid: { color: colour("line"), drawBorder: false },
          ticks: { ...ticks, maxTicksLimit: isSmall ? 3 : 7 },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          filter: (item) => series[item.datasetIndex].texts[item.dataIndex] !== "",
          callbacks: {
            title: (items) => (items.length === 0 ? "" : inWords(buckets[items[0].dataIndex])),
            label: (item) => `${series[item.datasetIndex].label}: ${series[item.datasetIndex].texts[item.dataIndex]}`,
          },
        },
      },
    },
  };
}

// Draws bars on a canvas.  series: [{ label, colour, heights, texts }], the colour's name in page.css, a
// text for each height, "" where there is nothing to say.
export function draw(canvas, options) {
  drawn.get(canvas)?.chart.destroy();
  drawn.set(canvas, { options, chart: new Chart(canvas, configuration(options)) });
}

// Forgets the charts within an element that is about to go.
export function forget(within) {
  for (const [canvas, { chart }] of drawn) {
    if (!within.contains(canvas)) continue;
    chart.destroy();
    drawn.delete(canvas);
  }
}

function drawAgain() {
  for (const [canvas, { options }] of [...drawn]) draw(canvas, options);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
// Paper is white and as wide as it is.
addEventListener("beforeprint", () => {
  document.documentElement.classList.add("paper");
  drawAgain();
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("paper");
  drawAgain();
});
