// What every picture of the page is made of: numbers, a plot by BokehJS, its keys and its button.
"use strict";

const content = JSON.parse(document.getElementById("content").textContent);
const plots = [];

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// As Packed in packing.py has them.
async function unpacked(key) {
  const packed = content.pictures[key];
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const integers = packed.bytes === 1 ? new Int8Array(buffer) : new Int16Array(buffer);
  return { values: Float32Array.from(integers, (q) => q * packed.scale), shape: packed.shape };
}

// Where the entries along an axis lie.
const positions = (axis, n) => Array.from({ length: n }, (_, i) => axis.start + axis.step * i);

function saveCsv(name, rows) {
  const text = rows.map((row) => row.join(",")).join("\n") + "\n";
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { download: `${name}.csv`, href }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

// An apostrophe keeps a spreadsheet from taking text for a formula.
const quoted = (text) => `"${/^\s*[=+@-]/.test(text) ? "'" : ""}${text.replaceAll('"', '""')}"`;

// Ranges of one kind for two plots that move together. `home` is what is seen at first.
function twins(bounds, home = bounds) {
  const pair = [0, 1].map(() => new Bokeh.Range1d({ start: home[0], end: home[1], bounds }));
  for (const [range, other] of [pair, [pair[1], pair[0]]]) {
    range.change.connect(() => other.setv({ start: range.start, end: range.end }));
  }
  return pair;
}

// What a key does: factor of the width seen, shifts across and up in parts of it.
const KEYS = {
  "+": [0.7, 0, 0],
  "=": [0.7, 0, 0],
  "-": [1 / 0.7, 0, 0],
  ArrowLeft: [1, -0.15, 0],
  ArrowRight: [1, 0.15, 0],
  ArrowUp: [1, 0, 0.15],
  ArrowDown: [1, 0, -0.15],
};

function move(range, factor, shift) {
  const width = range.end - range.start;
  const seen = Math.min(width * factor, range.bounds[1] - range.bounds[0]);
  const wanted = range.start + width * (0.5 + shift) - seen / 2;
  const start = Math.min(Math.max(wanted, range.bounds[0]), range.bounds[1] - seen);
  range.setv({ start, end: start + seen });
}

// Zoom of a plot by keys; a logarithmic axis stays as it is.
function listen(box, { x, y, logarithmic }) {
  const home = [x, y].map((range) => ({ start: range.start, end: range.end }));
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "0") {
      [x, y].forEach((range, i) => range.setv(home[i]));
    } else if (KEYS[event.key]) {
      const [factor, across, up] = KEYS[event.key];
      move(x, factor, across);
      if (!logarithmic) move(y, factor, up);
    } else {
      return;
    }
    event.preventDefault();
  });
}

// Colors are the page's: light, dark or paper. Each painter puts them where BokehJS draws.
const painters = [];
const colorOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const paintAll = () => painters.forEach((paint) => paint());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintAll);

function painted(paint) {
  painters.push(paint);
  paint();
}

function paintFigure(figure) {
  const [ink, soft, line, page] = ["ink", "soft", "line", "page"].map(colorOf);
  figure.setv({ background_fill_color: page, border_fill_color: page, outline_line_color: soft });
  for (const axis of [figure.xaxis, figure.yaxis]) {
    axis.axis_label_text_color = ink;
    axis.major_label_text_color = ink;
    axis.axis_line_color = soft;
    axis.major_tick_line_color = soft;
    axis.minor_tick_line_color = soft;
  }
  for (const grid of [figure.xgrid, figure.ygrid]) grid.grid_line_color = line;
}

function figureOf(ranges, labels, options = {}) {
  const figure = Bokeh.Plotting.figure({
    x_range: ranges.x,
    y_range: ranges.y,
    sizing_mode: "stretch_both",
    tools: "box_zoom,pan,wheel_zoom,reset",
    toolbar_location: "above",
    ...options,
  });
  figure.toolbar.logo = null;
  figure.toolbar.active_drag = figure.toolbar.tools.find((tool) => tool instanceof Bokeh.BoxZoomTool);
  // Not as strings: in those, BokehJS looks for TeX, and would load what it is set with.
  figure.xaxis.axis_label = new Bokeh.PlainText({ text: labels.x });
  figure.yaxis.axis_label = new Bokeh.PlainText({ text: labels.y });
  for (const axis of [figure.xaxis, figure.yaxis]) {
    axis.axis_label_text_font_style = "normal";
    axis.axis_label_text_font_size = "13px";
  }
  painted(() => paintFigure(figure));
  return figure;
}

function addHover(figure, renderers, tooltips) {
  figure.add_tools(new Bokeh.HoverTool({ renderers, tooltips }));
}

const badge = (made) => make("span", { class: "kind" }, made ? "made by P" : "does not depend on P");

function toolButton(word, label, action) {
  const button = make("button", { type: "button", "aria-label": `Save ${word}: ${label}` }, word);
  button.addEventListener("click", action);
  return button;
}

// One stop of the tab key for each plot: its keys do what the tools do.
function leaveToTheMouse(root) {
  for (const part of root.querySelectorAll("*")) {
    if (part.tabIndex >= 0) part.tabIndex = -1;
    if (part.shadowRoot) leaveToTheMouse(part.shadowRoot);
  }
}

// Put a plot on the page, with its caption above and its buttons below.
async function place(parent, { caption, made, label, low, figure, ranges, name, rows }) {
  const box = make("div", { class: low ? "plot low" : "plot", tabindex: "0", role: "group", "aria-label": label });
  const tools = make("div", { class: "tools" });
  const words = make("figcaption", {}, caption, " ", badge(made));
  parent.append(make("figure", {}, words, box, tools));
  listen(box, ranges);
  const view = await Bokeh.Plotting.show(figure, box);
  const png = () => view.export("png", true).canvas.toDataURL("image/png");
  tools.append(
    toolButton("CSV", label, () => saveCsv(name(), rows())),
    toolButton("PNG", label, () => make("a", { download: `${name()}.png`, href: png() }).click()),
  );
  leaveToTheMouse(box);
  plots.push({ view, box });
}
