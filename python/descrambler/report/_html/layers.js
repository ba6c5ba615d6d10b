// The pictures of one layer, trained on the left, a null or a control on the right.
"use strict";

const { ndarray } = Bokeh.require("core/util/ndarray");
// For light, dark and paper alike: on printing there is no time to draw data anew.
const BLUE = "#3f7fc8";
const BROWN = "#c0701a";

// Number of the network on the right, and what has to be done when it changes.
let beside = 1;
const followers = [];

const sidesOf = (network, layer) => content.sides[`${network}/${layer.number}`];
const who = (right) => (right ? content.networks[beside].name : "trained");

// Draw one thing twice. `draw(right, numbers)` returns what puts other numbers into it.
async function drawPair(parent, key, draw) {
  const pair = make("div", { class: "pair" });
  parent.append(pair);
  const title = (right) => (right ? make("span", {}, "beside it: ", make("span", { class: "null-name" }, who(1))) : null);
  await draw(pair, 0, await unpacked(key(0)), title(0));
  const name = title(1);
  const put = await draw(pair, 1, await unpacked(key(beside)), name);
  followers.push(async () => {
    put(await unpacked(key(beside)));
    name.lastChild.textContent = who(1);
  });
}

// ---- heat maps -------------------------------------------------------------------------------------

function heat(numbers, { x, y }, { limit, signed }, ranges) {
  const source = new Bokeh.ColumnDataSource({ data: { image: [] } });
  const color_mapper = new Bokeh.LinearColorMapper({
    palette: signed ? content.palettes.signed : content.palettes.magnitude,
    low: signed ? -limit : 0,
    high: limit,
  });
  const figure = figureOf(ranges, { x: x.label, y: y.label });
  const [height, width] = numbers.shape;
  const image = figure.image({
    source,
    image: { field: "image" },
    color_mapper,
    x: x.start - x.step / 2,
    y: y.start - y.step / 2,
    dw: x.step * width,
    dh: y.step * height,
  });
  addHover(figure, [image], [["value", "@image{0.0000}"], ["across", "$x{0.00}"], ["up", "$y{0.00}"]]);
  const bar = new Bokeh.ColorBar({ color_mapper, width: 10, padding: 4, label_standoff: 4 });
  figure.add_layout(bar, "right");
  painted(() => bar.setv({ background_fill_color: colorOf("page"), major_label_text_color: colorOf("ink") }));
  const put = (next) => {
    source.data = { image: [ndarray(next.values, { shape: next.shape, dtype: "float32" })] };
  };
  put(numbers);
  return { figure, put };
}

// Ranges over the cells of an axis with n of them; from zero to `home` at first, where that is given.
function cellRanges(axis, n) {
  const bounds = [axis.start - axis.step / 2, axis.start + axis.step * (n - 0.5)];
  return twins(bounds, axis.home === undefined ? bounds : [bounds[0], Math.min(axis.home, bounds[1])]);
}

function matrixRows({ values, shape: [height, width] }, { x, y }) {
  const head = [quoted(`${y.label} \\ ${x.label}`), ...positions(x, width)];
  return [head, ...positions(y, height).map((at, i) => [at, ...values.subarray(i * width, (i + 1) * width)])];
}

async function heatPair(layer, parent, { name, title, made, axes, scale, hatched, low }) {
  const key = (network) => `${network}/${layer.number}/${name}`;
  const [height, width] = content.pictures[key(0)].shape;
  const [across, up] = [cellRanges(axes.x, width), cellRanges(axes.y, height)];
  const draw = async (row, right, numbers, caption) => {
    const ranges = { x: across[right], y: up[right] };
    let shown = numbers;
    const { figure, put } = heat(numbers, axes, scale, ranges);
    const hatching = hatched ? hatch(figure, axes) : null;
    hatching?.(sidesOf(right ? beside : 0, layer).resolved);
    await place(row, {
      caption: caption ?? make("b", {}, title),
      made,
      label: `${title}, layer ${layer.number}, ${right ? "null" : "trained"}`,
      low,
      figure,
      ranges,
      name: () => `layer${layer.number}_${name}_${who(right)}`,
      rows: () => matrixRows(shown, axes),
    });
    return (next) => {
      shown = next;
      put(next);
      hatching?.(sidesOf(beside, layer).resolved);
    };
  };
  if (content.pictures[key(1)]) return drawPair(parent, key, draw);
  return draw(parent, 0, await unpacked(key(0)), null);
}

// Grey hatching over the link frequencies of which the inputs do not resolve both modes, 2k-1 and 2k.
// Returns what puts it for other resolved modes.
function hatch(figure, { x, y }) {
  const strips = (axis, draw) => {
    const source = new Bokeh.ColumnDataSource({ data: { from: [], to: [] } });
    draw({
      source,
      fill_color: "#bfbfbf",
      fill_alpha: 0.6,
      line_alpha: 0,
      hatch_pattern: "/",
      hatch_color: "#ffffff",
      hatch_alpha: 0.35,
      hatch_scale: 18,
      hatch_weight: 1.2,
    });
    return (modes) => { source.data = modes === null ? { from: [], to: [] } : unresolved(modes, axis.modes); };
  };
  const [from, to] = [{ field: "from" }, { field: "to" }];
  const rows = strips(y, (style) => figure.hstrip({ y0: from, y1: to, ...style }));
  const columns = strips(x, (style) => figure.vstrip({ x0: from, x1: to, ...style }));
  return ({ outputs, inputs }) => {
    rows(outputs);
    columns(inputs);
  };
}

// Edges of the runs of link frequencies, of n modes, that are not resolved.
function unresolved(modes, n) {
  const known = new Set(modes);
  const lacks = (k) => [2 * k - 1, 2 * k].some((mode) => mode >= 0 && mode < n && !known.has(mode));
  const edges = { from: [], to: [] };
  for (let k = 0; 2 * k - 1 < n; k += 1) {
    if (!lacks(k)) continue;
    if (edges.to.at(-1) === k - 0.5) edges.to.pop();
    else edges.from.push(k - 0.5);
    edges.to.push(k + 0.5);
  }
  return edges;
}

// ---- curves ----------------------------------------------------------------------------------------

// Leading singular vectors of one side, one below the other.
async function vectorPair(layer, parent, side) {
  const axis = layer[`${side}s`];
  const key = (network) => `${network}/${layer.number}/${side}_vectors`;
  const [count, n] = content.pictures[key(0)].shape;
  const x = positions(axis, n);
  const across = twins([x[0], x[n - 1]]);
  const up = twins([0.4 - count, 0.6]);
  const numbered = Array.from({ length: count }, (_, i) => i);
  const vector = ({ values }, i) => values.subarray(i * n, (i + 1) * n);
  const data = (numbers, i) => {
    const top = numbers.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    return { x, y: Array.from(vector(numbers, i), (v) => (0.45 * v) / top - i), value: Array.from(vector(numbers, i)) };
  };
  await drawPair(parent, key, async (row, right, numbers, caption) => {
    const ranges = { x: across[right], y: up[right] };
    let shown = numbers;
    const figure = figureOf(ranges, { x: axis.label, y: "singular vector no." });
    figure.yaxis.ticker = new Bokeh.FixedTicker({ ticks: numbered.map((i) => -i) });
    figure.yaxis.major_label_overrides = new Map(numbered.map((i) => [-i, `${i + 1}`]));
    const sources = numbered.map((i) => new Bokeh.ColumnDataSource({ data: data(numbers, i) }));
    const lines = sources.map((source) =>
      figure.line({ source, x: { field: "x" }, y: { field: "y" }, line_color: BLUE, line_width: 1.3 }));
    addHover(figure, lines, [["value", "@value{0.0000}"], ["at", "$x{0.00}"]]);
    await place(row, {
      caption: caption ?? make("b", {}, `Singular vectors, ${side} side`),
      made: axis.link,
      label: `singular vectors, ${side} side, layer ${layer.number}, ${right ? "null" : "trained"}`,
      low: true,
      figure,
      ranges,
      name: () => `layer${layer.number}_${side}_vectors_${who(right)}`,
      rows: () => [
        [quoted(axis.label), ...numbered.map((i) => `vector ${i + 1}`)],
        ...x.map((at, j) => [at, ...numbered.map((i) => vector(shown, i)[j])]),
      ],
    });
    return (next) => {
      shown = next;
      sources.forEach((source, i) => { source.data = data(next, i); });
    };
  });
}

// A title, and what its markers are; in the plot a legend would cover some of them.
function markersOf(title, modes) {
  const colored = (color, text) => make("span", { style: `color: ${color}` }, text);
  const hollow = modes ? "; hollow: not resolved" : "";
  return make("span", {}, make("b", {}, title), " ", colored(BLUE, "●"), " trained ", colored(BROWN, "▲"), ` null${hollow}`);
}

// A falling spectrum on a logarithmic axis, the trained network's and the null's. `modes`: the side of
// which resolved modes are filled, the others hollow.
async function decay(layer, parent, { name, title, axisLabel, modes }) {
  const key = (network) => `${network}/${layer.number}/${name}`;
  const shown = [await unpacked(key(0)), await unpacked(key(beside))];
  const count = shown[0].shape[0];
  const lowest = Math.max(-14, shown[0].values.reduce((least, value) => Math.min(least, value), 0));
  const bounds = [0, count + 1];
  const ranges = {
    x: new Bokeh.Range1d({ start: bounds[0], end: bounds[1], bounds }),
    y: new Bokeh.Range1d({ start: 10 ** (lowest - 0.3), end: 2 }),
    logarithmic: true,
  };
  const figure = figureOf(ranges, { x: axisLabel, y: "relative to the largest" }, { y_axis_type: "log" });
  const number = Array.from({ length: count }, (_, i) => i + 1);
  const values = (right) => Array.from(shown[right].values, (decade) => 10 ** decade);
  const data = (right) => {
    const known = modes ? new Set(sidesOf(right ? beside : 0, layer).resolved[modes]) : null;
    const y = values(right);
    const part = (inside) => y.map((value, i) => ((known === null || known.has(i)) === inside ? value : NaN));
    return { x: number, resolved: part(true), other: part(false) };
  };
  const series = (right, color, marker, words) => {
    const source = new Bokeh.ColumnDataSource({ data: data(right) });
    const points = (field, fill_color) =>
      figure.scatter({ source, x: { field: "x" }, y: { field }, size: 6, marker, line_color: color, fill_color });
    const full = points("resolved", color);
    const tooltip = (field) => [["no.", "@x"], [words, `@${field}{0.000e+0}`]];
    addHover(figure, [full], tooltip("resolved"));
    if (modes) addHover(figure, [points("other", null)], tooltip("other"));
    return () => { source.data = data(right); };
  };
  series(0, BLUE, "circle", "trained");
  const put = series(1, BROWN, "triangle", "null");
  await place(parent, {
    caption: markersOf(title, modes),
    made: false,
    label: `${title}, layer ${layer.number}`,
    low: true,
    figure,
    ranges,
    name: () => `layer${layer.number}_${name}_trained_and_${who(1)}`,
    rows: () => [["number", "trained", "null"], ...number.map((i) => [i, values(0)[i - 1], values(1)[i - 1]])],
  });
  followers.push(async () => {
    shown[1] = await unpacked(key(beside));
    put();
  });
}

// ---- all of one layer ------------------------------------------------------------------------------

async function drawLayer(layer, section) {
  const k = layer.number;
  const { limit, magnitude, unit, home } = sidesOf(0, layer);
  const { stride } = content;
  const drawn = (axis) => ({ ...axis, step: axis.step * stride });
  const unordered = (axis) => (axis.link ? { ...axis, label: "unit, in arbitrary order" } : axis);
  const frequency = (axis, n, end) => ({
    label: axis.frequency,
    start: ((stride - 1) / 2) * axis.frequency_step,
    step: axis.frequency_step * stride,
    modes: n,
    home: (end + 0.5) * axis.frequency_step,
  });
  const weights = `${layer.outputs.link ? `P${k} ` : ""}W${k}${layer.inputs.link ? ` P${k - 1}ᵀ` : ""}`;
  const [x, y] = [drawn(layer.inputs), drawn(layer.outputs)];
  section.append(make("p", { class: "soft" },
    `Weights in units of the layer's r.m.s. weight, ${unit.toPrecision(3)} for the trained network. Hatched: link frequencies that the inputs do not resolve.`));
  await heatPair(layer, section, { name: "descrambled", title: `${weights}, descrambled`, made: true, axes: { x, y }, scale: { limit, signed: true } });
  if (content.pictures[`0/${k}/bias`]) {
    const line = { label: "bias", start: 0, step: 1 };
    const title = `${layer.outputs.link ? `P${k} ` : ""}b${k}, the bias: one more input, always 1`;
    await heatPair(layer, section, { name: "bias", title, made: true, axes: { x: y, y: line }, scale: { limit, signed: true }, low: true });
  }
  await heatPair(layer, section, {
    name: "spectrum",
    title: `|F ${weights} F|, spectrum`,
    made: true,
    axes: { x: frequency(layer.inputs, layer.n_in, home[1]), y: frequency(layer.outputs, layer.n_out, home[0]) },
    scale: { limit: magnitude, signed: false },
    hatched: true,
  });
  const row = make("div", { class: "pair" });
  section.append(row);
  await heatPair(layer, row, { name: "raw", title: `W${k}, raw`, made: false, axes: { x: unordered(x), y: unordered(y) }, scale: { limit, signed: true } });
  await decay(layer, row, { name: "singular", title: `Singular values of W${k}`, axisLabel: "number" });
  for (const [side, words] of [["inputs", "that come in"], ["outputs", "before the activation"]]) {
    if (!layer[side].link) continue;
    await decay(layer, row, { name: `${side}_gram`, title: `Gram spectrum of the signals ${words}`, axisLabel: "link mode, by second moment", modes: side });
  }
  await vectorPair(layer, section, "output");
  await vectorPair(layer, section, "input");
}
