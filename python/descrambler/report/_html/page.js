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

// On paper each plot is a still: its canvas cannot follow the new width.
window.addEventListener("beforeprint", () => {
  for (const { view, box } of plots) {
    const still = view.export("png", true).canvas;
    still.className = "paper";
    box.after(still);
  }
});
window.addEventListener("afterprint", () => {
  for (const still of document.querySelectorAll(".paper")) still.remove();
});

async function start() {
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
}

start();
