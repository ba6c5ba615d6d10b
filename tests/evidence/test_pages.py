"""Numbers of docs/deernet.md are those of the shipped network on the inputs of the demo."""

from pathlib import Path

import pytest

import descrambler as ds
from descrambler.cli._demo import DEMO_INPUTS, DEMO_NULL_INPUTS, deernet_setting
from descrambler.evidence._claims import claims, measure
from descrambler.evidence._draws import chosen_rows
from descrambler.evidence._interpret import _detectors
from descrambler.evidence._study import Study

PAGE = Path(__file__).parents[2] / "docs" / "deernet.md"
SAID = {
    ("inverse of the reference", "network"): "correlation {:.2f}",
    ("low-pass", "network"): "{:.1f} dB down above",
    ("band-pass", "network"): "{:.1f} ± 0.1 dB less on both sides",
    ("notch at zero", "layer 1"): "first layer | {:.1f} dB |",
    ("notch at zero", "network"): "network as a whole | {:.1f} dB |",
    ("nuisance rejection", "network"): "| {:.1f} dB less than distances |",
    ("kernel match", "network"): "rank correlation {:.2f} | shuffled once",
    ("link sinusoids", "layer 2"): "| {:.2f} in one frequency each |",
    ("polynomial outputs", "layer 2"): "| {:.2f} in the polynomials",
    ("orthogonal columns", "layer 2"): "| {:.0%} off the diagonal |",
}


@pytest.fixture(scope="module")
def measured():
    network = ds.deer.pretrained()
    traces, axes, settings = deernet_setting(DEMO_INPUTS)
    chosen = chosen_rows(len(traces), DEMO_NULL_INPUTS, 0)
    study = Study(network, traces[chosen])
    given = {"detectors": ds.evidence.detectors.DETECTORS, **settings}
    family = claims(network, _detectors(network, given), axes, len(chosen))
    return dict(
        zip([(c.detector.name, c.where) for c in family], measure(study, family), strict=True)
    )


@pytest.mark.parametrize("claim", SAID, ids=" ".join)
def test_the_page_on_deernet_has_the_numbers_of_the_demo(measured, claim):
    text = SAID[claim].format(measured[claim])
    page = PAGE.read_text().replace("94 %", "94%")
    assert text in page, text
