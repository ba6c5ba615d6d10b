"""What `interpret` prints before the nulls are drawn."""

import numpy as np

import descrambler as ds
from descrambler.cli._first_answers import first_answers
from descrambler.evidence.detectors import Axes


def answers(ordered=True, widths=(16, 12)):
    rng = np.random.default_rng(0)
    # Each unit takes neighbors together: what varies fast does not pass.
    low = np.cos(np.pi * np.outer(np.arange(3), np.arange(widths[0]) + 0.5) / widths[0])
    first = ds.Linear(rng.standard_normal((widths[1], 3)) @ low)
    network = ds.Network([first, ds.Activation("tanh"), ds.Linear(rng.standard_normal((4, widths[1])))])  # fmt: skip
    axes = Axes(ds.Axis("time", "s", ordered=ordered), ds.Axis("output"))
    return list(first_answers(network, 0.01 * rng.standard_normal((700, widths[0])), axes))


def test_layers_directions_and_response_are_told_in_this_order():
    layers, directions, response, rest = answers()
    assert layers.startswith("Network: 16 -> 4")
    assert "of 12" in directions
    assert "time frequency (1/s)" in response
    assert float(response.partition("upper half of the axis ")[2].removesuffix(" dB")) < -40
    assert "verdicts" in rest


def test_inputs_without_order_have_no_response():
    assert not any("peak" in line for line in answers(ordered=False))


def test_directions_of_large_layers_are_not_counted(monkeypatch):
    monkeypatch.setattr("descrambler.cli._first_answers.MOST_DIRECTIONS", 8)
    assert "not counted" in answers()[1]
    assert "of 4" in answers()[1]
