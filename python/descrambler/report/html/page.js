// Draws the pictures of the page from the numbers in it, with BokehJS.
"use strict";
(async () => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const { ndarray } = Bokeh.require("core/util/ndarray");
  const plots = [];
  let beside = 1;

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const plain = (text) => new Bokeh.PlainText({ text });
  const power = (decades) => decades.map((value) => 10 ** value);

  // ---- numbers -----------------------------------------------------------------------------------

  async function unpacked(key) {
    const packed = content.pictures[key];
    if (!packed) return null;
    const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    const integers = packed.bytes === 1 ? new Int8Array(buffer) : new Int16Array(buffer);
    return { values: Float32Array.from(integers, (q) => q * packed.scale), shape: packed.shape };
  }

  // Centres of the cells that are drawn.
  const positions = (axis, n, stride = 1) => Array.from({ length: n }, (_, i) => axis.start + axis.step * stride * i);

  function save(name, header, rows) {
    const text = [header, ...rows].map((row) => row.join(",")).join("\n") + "\n";
    const link = make("a", { download: name, href: URL.createObjectURL(new Blob([text], { type: "text/csv" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // ---- plots -------------------------------------------------------------------------------------

  function zoomed(range, factor, shift) {
    const width = range.end - range.start;
    const middle = range.start + width * (0.5 + shift);
    range.setv({ start: middle - (width * factor) / 2, end: middle + (width * factor) / 2 });
  }

  // What a key does to the ranges: factor, shift across, shift up.
  const keys = {
    "+": [0.7, 0, 0], "=": [0.7, 0, 0], "-": [1 / 0.7, 0, 0],
    ArrowLeft: [1, -0.15, 0], ArrowRight: [1, 0.15, 0], ArrowUp: [1, 0, 0.15], ArrowDown: [1, 0, -0.15],
  };

  function figureOf(ranges, labels, options = {}) {
    const figure = Bokeh.Plotting.figure({
      x_range: ranges.x, y_range: ranges.y, sizing_mode: "stretch_both", tools: "pan,box_zoom,wheel_zoom,reset,save",
      toolbar_location: "above", background_fill_color: "#ffffff", border_fill_color: "#ffffff", ...options,
    });
    figure.toolbar.logo = null;
    figure.xaxis.axis_label = plain(labels.x);
    figure.yaxis.axis_label = plain(labels.y);
    for (const axis of [figure.xaxis, figure.yaxis]) {
      axis.axis_label_text_font_style = "normal";
      axis.axis_label_text_font_size = "13px";
    }
    return figure;
  }

  // One picture: caption, plot, buttons. `rows` gives the numbers as drawn.
  async function place(parent, { caption, label, figure, ranges, low, name, header, rows }) {
    const box = make("div", { class: low ? "plot low" : "plot", tabindex: "0", role: "group", "aria-label": label });
    const button = make("button", { type: "button" }, "Save CSV");
    button.addEventListener("click", () => save(`${name()}.csv`, header, rows()));
    const words = make("figcaption");
    words.append(...caption);
    parent.append(make("figure", {}, words, box, make("div", { class: "tools" }, button)));
    const home = { x: [ranges.x.start, ranges.x.end], y: [ranges.y.start, ranges.y.end] };
    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "0") {
        for (const axis of ["x", "y"]) ranges[axis].setv({ start: home[axis][0], end: home[axis][1] });
      } else if (keys[event.key]) {
        const [factor, across, up] = keys[event.key];
        zoomed(ranges.x, factor, across);
        if (ranges.y instanceof Bokeh.Range1d && !ranges.logarithmic) zoomed(ranges.y, factor, up);
      } else return;
      event.preventDefault();
    });
    const view = await Bokeh.Plotting.show(figure, box);
    plots.push({ view, box });
  }

  const kind = (made) => make("span", { class: "kind" }, made ? "made by P" : "does not depend on P");

  // ---- heat maps ---------------------------------------------------------------------------------

  function heat(numbers, { axes, stride, limit, signed, ranges }) {
    const source = new Bokeh.ColumnDataSource({ data: { image: [] } });
    const mapper = new Bokeh.LinearColorMapper({
      palette: signed ? content.palettes.signed : content.palettes.magnitude, low: signed ? -limit : 0, high: limit,
    });
    const figure = figureOf(ranges, { x: axes.x.label, y: axes.y.label });
    const [height, width] = numbers.shape;
    const step = { x: axes.x.step * stride, y: axes.y.step * stride };
    const image = figure.image({
      source, image: { field: "image" }, color_mapper: mapper,
      x: axes.x.start - step.x / 2, y: axes.y.start - step.y / 2, dw: step.x * width, dh: step.y * height,
    });
    figure.add_tools(new Bokeh.HoverTool({
      renderers: [image], tooltips: [["value", "@image{0.0000}"], ["across", "$x{0.00}"], ["up", "$y{0.00}"]],
    }));
    figure.add_layout(new Bokeh.ColorBar({ color_mapper: mapper, width: 10, padding: 4, label_standoff: 4 }), "right");
    const put = (next) => { source.data = { image: [ndarray(next.values, { shape: next.shape, dtype: "float32" })] }; };
    put(numbers);
    return { figure, put };
  }

  // Edges of the cells of both axes.
  function cellRanges(axes, shape, stride) {
    const range = (axis, n) => {
      const half = (axis.step * stride) / 2;
      const [start, end] = [axis.start - half, axis.start + axis.step * stride * (n - 1) + half];
      return new Bokeh.Range1d({ start, end, bounds: "auto" });
    };
    return { x: range(axes.x, shape[1]), y: range(axes.y, shape[0]) };
  }

  function matrixRows(numbers, axes, stride) {
    const [height, width] = numbers.shape;
    const across = positions(axes.x, width, stride);
    const up = positions(axes.y, height, stride);
    return [["", ...across], ...up.map((value, i) => [value, ...numbers.values.subarray(i * width, (i + 1) * width)])];
  }

  // A picture of the trained network and, where nulls have it too, one of the null beside it.
  async function heatPair(layer, parent, { name, title, made, axes, stride, limit, signed, grey }) {
    const key = (network) => `${network}/${layer.number}/${name}`;
    const trained = await unpacked(key(0));
    const shown = [trained];
    const ranges = cellRanges(axes, trained.shape, stride);
    const pair = make("div", { class: "pair" });
    parent.append(pair);
    const picture = async (place_, numbers, who) => {
      const { figure, put } = heat(numbers, { axes, stride, limit, signed, ranges });
      const greyed = grey ? new Greyed(figure, axes) : null;
      if (greyed) greyed.put(sides(place_ ? beside : 0, layer));
      await place(pair, {
        caption: [who(), " ", kind(made)], label: `${title}, layer ${layer.number}, ${place_ ? "null" : "trained"}`,
        figure, ranges, name: () => `layer${layer.number}_${name}_${place_ ? content.networks[beside].name : "trained"}`,
        header: [`rows: ${quoted(axes.y.label)}; columns: ${quoted(axes.x.label)}`],
        rows: () => matrixRows(shown[place_], axes, stride),
      });
      return { put, greyed };
    };
    await picture(0, trained, () => make("b", {}, title));
    if (!content.pictures[key(1)]) return;
    shown[1] = await unpacked(key(beside));
    const label = make("span", { class: "null-name" }, content.networks[beside].name);
    const { put, greyed } = await picture(1, shown[1], () => make("span", {}, "the same, null: ", label));
    onSwitch.push(async () => {
      shown[1] = await unpacked(key(beside));
      put(shown[1]);
      label.textContent = content.networks[beside].name;
      if (greyed) greyed.put(sides(beside, layer));
    });
  }

  const quoted = (text) => text.replaceAll(/[",\n;]/g, " ");
  const sides = (network, layer) => content.sides[`${network}/${layer.number}`];

  // Hatching over the link frequencies of which the inputs do not resolve both modes.
  class Greyed {
    constructor(figure, axes) {
      this.figure = figure;
      this.axes = axes;
      this.boxes = [];
    }

    put({ resolved }) {
      for (const box of this.boxes) box.visible = false;
      this.boxes = [];
      this.hatch(resolved.outputs, this.axes.y, "bottom", "top");
      this.hatch(resolved.inputs, this.axes.x, "left", "right");
    }

    hatch(modes, axis, from, to) {
      if (modes === null) return;
      const known = new Set(modes);
      const unknown = Array.from({ length: axis.count }, (_, k) => k)
        .filter((k) => !(known.has(2 * k - 1) || k === 0) || !(known.has(2 * k) || 2 * k >= axis.modes));
      for (let first = 0; first < unknown.length;) {
        let last = first;
        while (unknown[last + 1] === unknown[last] + 1) last += 1;
        const box = new Bokeh.BoxAnnotation({
          [from]: unknown[first] - 0.5, [to]: unknown[last] + 0.5, fill_color: "#bfbfbf", fill_alpha: 0.75, line_alpha: 0,
          hatch_pattern: "/", hatch_color: "#7f7f7f", hatch_alpha: 0.8, hatch_weight: 0.6,
        });
        this.figure.add_layout(box);
        this.boxes.push(box);
        first = last + 1;
      }
    }
  }

  // ---- curves ------------------------------------------------------------------------------------

  const line = (figure, x, y, options) => {
    const source = new Bokeh.ColumnDataSource({ data: { x: Array.from(x), y: Array.from(y) } });
    const drawn = figure.line({ source, x: { field: "x" }, y: { field: "y" }, ...options });
    return { source, drawn, put: (next) => { source.data = { x: Array.from(next.x), y: Array.from(next.y) }; } };
  };

  function hover(figure, renderers, tooltips) {
    figure.add_tools(new Bokeh.HoverTool({ renderers, tooltips, mode: "mouse" }));
  }

  // Leading singular vectors of one side, one above the other.
  async function vectors(layer, parent, side, axis) {
    const key = (network) => `${network}/${layer.number}/${side}_vectors`;
    const pair = make("div", { class: "pair" });
    parent.append(pair);
    const [count, n] = content.pictures[key(0)].shape;
    const x = positions(axis, n);
    const range = (start, end) => new Bokeh.Range1d({ start, end, bounds: "auto" });
    const ranges = { x: range(x[0], x[n - 1]), y: range(-count + 0.4, 0.6) };
    const level = (numbers) => {
      const top = numbers.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
      return Array.from({ length: count }, (_, i) => numbers.values.subarray(i * n, (i + 1) * n).map((v) => (0.45 * v) / top - i));
    };
    const where = side === "output" ? layer.outputs : layer.inputs;
    const picture = async (place_, numbers, who) => {
      const figure = figureOf(ranges, { x: axis.label, y: "singular vector no." });
      figure.yaxis.ticker = new Bokeh.FixedTicker({ ticks: Array.from({ length: count }, (_, i) => -i) });
      figure.yaxis.major_label_overrides = new Map(Array.from({ length: count }, (_, i) => [-i, `${i + 1}`]));
      const drawn = level(numbers).map((y) => line(figure, x, y, { line_color: "#15529b", line_width: 1.3 }));
      hover(figure, drawn.map((one) => one.drawn), [["at", "$x{0.00}"]]);
      await place(pair, {
        caption: [who, " ", kind(where.link)], label: `${side} singular vectors, layer ${layer.number}`, figure, ranges, low: true,
        name: () => `layer${layer.number}_${side}_vectors_${place_ ? content.networks[beside].name : "trained"}`,
        header: [quoted(axis.label), ...Array.from({ length: count }, (_, i) => `vector ${i + 1}`)],
        rows: () => x.map((value, j) => [value, ...Array.from({ length: count }, (_, i) => shown[place_].values[i * n + j])]),
      });
      return drawn;
    };
    const shown = [await unpacked(key(0)), await unpacked(key(beside))];
    await picture(0, shown[0], make("b", {}, `Singular vectors, ${side} side`));
    const label = make("span", { class: "null-name" }, content.networks[beside].name);
    const drawn = await picture(1, shown[1], make("span", {}, "the same, null: ", label));
    onSwitch.push(async () => {
      shown[1] = await unpacked(key(beside));
      level(shown[1]).forEach((y, i) => drawn[i].put({ x, y }));
      label.textContent = content.networks[beside].name;
    });
  }

  // A falling spectrum on a logarithmic axis, the null's over the trained one's.
  async function spectrum(layer, parent, { name, title, made, axisLabel, modes }) {
    const key = (network) => `${network}/${layer.number}/${name}`;
    const shown = [await unpacked(key(0)), await unpacked(key(beside))];
    const count = shown[0].shape[0];
    const lowest = Math.max(shown[0].values.reduce((least, value) => Math.min(least, value), 0), -14);
    const ranges = {
      x: new Bokeh.Range1d({ start: 0, end: count + 1, bounds: "auto" }),
      y: new Bokeh.Range1d({ start: 10 ** (lowest - 0.3), end: 2 }), logarithmic: true,
    };
    const figure = figureOf(ranges, { x: axisLabel, y: "relative to the largest" }, { y_axis_type: "log" });
    const x = Array.from({ length: count }, (_, i) => i + 1);
    const curve = (network) => {
      const known = modes ? new Set(sides(network, layer).resolved[modes]) : null;
      const y = power(Array.from(shown[network ? 1 : 0].values));
      return { x, y, inside: y.map((value, i) => (known && !known.has(i) ? NaN : value)), outside: y.map((value, i) => (known && !known.has(i) ? value : NaN)) };
    };
    const series = (network, colour, marker, words) => {
      const first = curve(network);
      const source = new Bokeh.ColumnDataSource({ data: first });
      const common = { source, x: { field: "x" }, size: 6, line_color: colour, marker };
      const legend_label = modes ? `${words}, resolved` : words;
      const full = figure.scatter({ ...common, y: { field: "inside" }, fill_color: colour, legend_label });
      if (modes) figure.scatter({ ...common, y: { field: "outside" }, fill_color: "#ffffff", legend_label: `${words}, not resolved` });
      hover(figure, [full], [["no.", "@x"], [words, "@y{0.000e}"]]);
      return (next) => { source.data = next; };
    };
    series(0, "#15529b", "circle", "trained");
    const put = series(beside, "#b8741a", "triangle", "null");
    figure.legend.label_text_font_size = "11px";
    figure.legend.background_fill_alpha = 0.8;
    figure.legend.padding = 4;
    figure.legend.spacing = 0;
    await place(parent, {
      caption: [make("b", {}, title), " ", kind(made)], label: `${title}, layer ${layer.number}`, figure, ranges, low: true,
      name: () => `layer${layer.number}_${name}`, header: ["number", "trained", "null"],
      rows: () => x.map((i) => [i, 10 ** shown[0].values[i - 1], 10 ** shown[1].values[i - 1]]),
    });
    onSwitch.push(async () => { shown[1] = await unpacked(key(beside)); put(curve(beside)); });
  }

  // ---- layers ------------------------------------------------------------------------------------

  const onSwitch = [];

  async function drawLayer(layer, section) {
    const k = layer.number;
    const { limit, magnitude, unit } = sides(0, layer);
    const unitAxis = (axis, n) => (axis.link ? { ...axis, label: "unit, in arbitrary order" } : axis);
    const axes = { x: layer.inputs, y: layer.outputs };
    const frequency = (axis, n) => ({
      label: axis.frequency, start: ((content.stride - 1) / 2) * axis.frequency_step, step: axis.frequency_step,
      count: Math.floor(n / 2) + 1, modes: n,
    });
    const left = layer.outputs.link ? `P${k} ` : "";
    const right = layer.inputs.link ? ` P${k - 1}ᵀ` : "";
    const weights = { limit, signed: true, stride: content.stride };
    section.append(make("p", { class: "soft" }, `Weights in units of the layer's r.m.s. weight, ${unit.toPrecision(3)} for the trained network.`));
    await heatPair(layer, section, { name: "descrambled", title: `${left}W${k}${right}, descrambled`, made: true, axes, ...weights });
    await heatPair(layer, section, {
      name: "spectrum", title: `|F ${left}W${k}${right} F|, spectrum`, made: true, signed: false, limit: magnitude, stride: content.stride, grey: true,
      axes: { x: frequency(layer.inputs, layer.n_in), y: frequency(layer.outputs, layer.n_out) },
    });
    const row = make("div", { class: "pair" });
    section.append(row);
    const scrambled = { x: unitAxis(layer.inputs), y: unitAxis(layer.outputs) };
    await heatPair(layer, row, { name: "raw", title: `W${k}, raw`, made: false, axes: scrambled, ...weights });
    await spectrum(layer, row, { name: "singular", title: `Singular values of W${k}`, made: false, axisLabel: "number" });
    for (const side of ["outputs", "inputs"]) {
      if (!layer[side].link) continue;
      const words = side === "outputs" ? "before the activation" : "that come in";
      await spectrum(layer, row, { name: `${side}_gram`, title: `Gram spectrum of the signals ${words}`, made: false, axisLabel: "link mode, by variance", modes: side });
    }
    await vectors(layer, section, "output", layer.outputs);
    await vectors(layer, section, "input", layer.inputs);
  }

  // ---- controls ----------------------------------------------------------------------------------

  function describeNull() {
    const network = content.networks[beside];
    document.getElementById("null-note").textContent = `Weights: ${network.weights}. Inputs: ${network.inputs}.`;
  }

  for (const input of document.querySelectorAll("input[name=null]")) {
    input.addEventListener("change", async () => {
      beside = Number(input.value);
      describeNull();
      for (const change of onSwitch) await change();
      document.body.dataset.beside = beside;
    });
    if (input.checked) beside = Number(input.value);
  }

  document.getElementById("copy").addEventListener("click", () => {
    const range = document.createRange();
    range.selectNodeContents(document.getElementById("paragraph"));
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    document.getElementById("copied").textContent = document.execCommand("copy") ? "copied" : "selected: press Ctrl-C";
  });

  // On paper each plot is a still: its canvas cannot follow the new width.
  window.addEventListener("beforeprint", () => {
    for (const { view, box } of plots) {
      const still = view.export("png", true).canvas;
      still.className = "paper";
      box.after(still);
    }
  });
  window.addEventListener("afterprint", () => document.querySelectorAll(".paper").forEach((still) => still.remove()));

  try {
    describeNull();
    for (const layer of content.layers) await drawLayer(layer, document.getElementById(`layer-${layer.number}`));
    document.body.dataset.ready = "yes";
  } catch (error) {
    const failure = document.getElementById("failure");
    failure.hidden = false;
    failure.textContent = `The pictures could not be drawn: ${error}`;
    throw error;
  }
})();
