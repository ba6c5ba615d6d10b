"""The report page of a trace, and what it warns of."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from descrambler import deer
from descrambler.cli._main import main

NETWORKS = [deer.pretrained(seed=seed) for seed in (0, 1, 2)]


def simulated(depth=0.4, noise=0.003, rate=0.25, distance=35.0, n=300, step=0.008):
    time = np.arange(n) * step
    form = deer.kernel(time, [distance])[:, 0]
    decay = np.exp(-rate * time)
    drawn = noise * np.random.default_rng(0).standard_normal(n)
    return deer.Trace(time, (1 - depth + depth * form) * decay + drawn, "a<b>.dat")


def warned(trace):
    return deer.trace_warnings(trace, deer.predict_distances(NETWORKS, trace))


def test_nothing_to_warn_of():
    assert warned(simulated(noise=0.01)) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distance": 46.0, "n": 150}, "too short for the peak at 4"),
        ({"distance": 37.0, "n": 150}, "too short for the width of the peak at 3"),
        ({"noise": 0.03}, "of the modulation depth, more than the noise in training"),
        ({"rate": 0.9}, "The background falls faster than in training"),
    ],
)
def test_warnings(changes, message):
    assert re.search(message, "; ".join(warned(simulated(**changes))))


def test_warnings_of_what_is_known():
    trace = simulated()
    found = deer.predict_distances(NETWORKS, trace)
    below = replace(found, sampling=replace(found.sampling, even=False, shortest=40.0))
    said = deer.trace_warnings(replace(trace, notes=("3 points left out",)), below)
    assert said[0] == "3 points left out"
    assert said[1].startswith("The steps are not equal: 8 ns on average")
    assert "is below 40.0 A" in said[2]
    shallow = replace(found, fit=replace(found.fit, depth=0.005))
    assert any("depth 0.005 is outside" in text for text in deer.trace_warnings(trace, shallow))
    wrong = replace(found, fit=replace(found.fit, model=found.fit.model * (1 + 0.1 * trace.time)))
    assert any(
        "do not explain the whole trace" in text for text in deer.trace_warnings(trace, wrong)
    )
    late = np.zeros(256)
    late[-5:] = 1.0
    assert any("end of the distance axis" in text for text in deer.trace_warnings(trace, replace(found, density=late)))  # fmt: skip


class Parsed(HTMLParser):
    """Tags and texts; ids, to see that none is used twice."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        assert not any(
            value and value.startswith("http") and name == "src" for name, value in attrs
        )

    def handle_data(self, data):
        self.text.append(data)


def test_page(tmp_path):
    pytest.importorskip("jinja2", reason="the extra report is not installed")
    trace = simulated()
    raw = deer.Trace(trace.time, trace.signal * np.exp(0.7j), trace.name)
    prepared = deer.prepare(raw)
    calibration = deer.calibrate(NETWORKS, 200)
    found = deer.predict_distances(NETWORKS, prepared, calibration=calibration)
    deer.write_trace_page(tmp_path / "page.html", raw, prepared, found, {"networks": "<three>"})
    page = (tmp_path / "page.html").read_text()
    parsed = Parsed(page)
    text = " ".join(" ".join(parsed.text).split())
    assert parsed.tags.count("svg") == 4 and "script" not in parsed.tags
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', page)) <= set(parsed.ids)
    assert "a<b>.dat" in text and "<three>" in text and "40.11°" in text.replace("40.10°", "40.11°")
    assert f"{found.peaks[0].position:.1f} ±" in text
    assert "calibrated on 200 simulated traces" in text
    assert "#010a" not in page and page.count("var(--band)") >= 1
    assert len(page) < 400_000


def test_command(tmp_path):
    pytest.importorskip("jinja2", reason="the extra report is not installed")
    time = np.linspace(0, 2, 256)
    noise = 0.01 * np.random.default_rng(0).standard_normal(256)
    np.savetxt(tmp_path / "flat.txt", np.stack([time, np.exp(-0.2 * time) + noise], axis=1))
    assert main(["deer", str(tmp_path / "flat.txt"), "--report", "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "no dipolar modulation" in page and page.count("<svg") == 2
