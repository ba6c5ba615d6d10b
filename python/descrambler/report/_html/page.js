// The controls of the page, and its start.
"use strict";

function describeNull() {
  const { weights, inputs } = content.networks[beside];
  document.getElementById("null-note").textContent = `Weights: ${weights}; inputs: ${inputs}`;
}

// One change after the other, lest an earlier one end last.
let changes = Promise.resolve();

async function switchTo(network) {
  if (network === beside) return;
  beside = network;
  describeNull();
  for (const follow of followers) await follow();
  document.body.dataset.beside = network;
}

for (const input of document.querySelectorAll("input[name=null]")) {
  // A browser may remember what was chosen when the page was last open.
  if (input.checked) beside = Number(input.value);
  input.addEventListener("change", () => { changes = changes.then(() => switchTo(Number(input.value))); });
}

document.getElementById("copy").addEventListener("click", () => {
  const selection = window.getSelection();
  selection.selectAllChildren(document.getElementById("paragraph"));
  const copied = document.execCommand("copy");
  document.getElementById("copied").textContent = copied ? "copied" : "selected: press Ctrl-C";
});

// On paper each plot is a still, in the colors of the light page: its canvas cannot follow the new width.
window.addEventListener("beforeprint", () => {
  document.documentElement.dataset.paper = "yes";
  paintAll();
  for (const { view, box } of plots) {
    const still = view.export("png", true).canvas;
    still.className = "paper";
    box.after(still);
  }
});
window.addEventListener("afterprint", () => {
  for (const still of document.querySelectorAll(".paper")) still.remove();
  delete document.documentElement.dataset.paper;
  paintAll();
});

// ---- tables that are sorted, stills that are saved --------------------------------------------------

const valueOf = (row, column) => {
  const text = row.cells[column].textContent;
  return Number.isNaN(Number(text)) ? -Infinity : Number(text);
};

for (const table of document.querySelectorAll("table.sortable")) {
  for (const button of table.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const rising = head.getAttribute("aria-sort") === "descending";
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const [column, sign] = [Number(button.dataset.column), rising ? 1 : -1];
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) => sign * (valueOf(a, column) - valueOf(b, column))));
    });
  }
}

// A still by itself: what the style sheet of the page gives it is written into it.
function standalone(still) {
  const copy = still.cloneNode(true);
  const parts = [...still.querySelectorAll("*")];
  [...copy.querySelectorAll("*")].forEach((part, i) => {
    const style = getComputedStyle(parts[i]);
    for (const name of ["fill", "stroke", "stroke-width", "image-rendering"]) part.style.setProperty(name, style.getPropertyValue(name));
  });
  copy.style.font = "12px sans-serif";
  copy.style.background = getComputedStyle(document.body).backgroundColor;
  const [, , width, height] = still.getAttribute("viewBox").split(" ");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
}

async function savePng(href, name) {
  const picture = new Image();
  picture.src = href;
  await picture.decode();
  const canvas = make("canvas", { width: 3 * picture.width, height: 3 * picture.height });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  make("a", { download: `${name}.png`, href: canvas.toDataURL("image/png") }).click();
}

for (const place of document.querySelectorAll(".save")) {
  const stills = [...place.closest("figure").querySelectorAll("svg.still")];
  stills.forEach((still, i) => {
    const name = `${place.dataset.name}${i ? "_null" : ""}`;
    const about = still.getAttribute("aria-label");
    const which = i ? "Second " : "";
    place.append(
      toolButton(`${which}SVG`, about, () => make("a", { download: `${name}.svg`, href: standalone(still) }).click()),
      " ",
      toolButton(`${which}PNG`, about, () => savePng(standalone(still), name)),
      " ",
    );
  });
}

// ---- start -----------------------------------------------------------------------------------------

async function start() {
  const drawing = document.getElementById("drawing");
  try {
    describeNull();
    for (const layer of content.layers) {
      drawing.textContent = `Drawing layer ${layer.number} of ${content.layers.length}; the stills are there meanwhile.`;
      const section = document.getElementById(`layer-${layer.number}`);
      await drawLayer(layer, section);
      section.querySelector(".placeholder").remove();
    }
    drawing.textContent = "";
    document.body.dataset.ready = "yes";
  } catch (error) {
    const failure = document.getElementById("failure");
    failure.hidden = false;
    failure.textContent = `The pictures could not be drawn: ${error}`;
    throw error;
  }
}

// After the first paint: the text and its stills can be read meanwhile.
setTimeout(start, 50);
