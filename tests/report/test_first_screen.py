"""The first screen of the report, its units, its comparison with another: without a browser."""

import base64
import io
import re
import struct
import xml.etree.ElementTree as ElementTree

import matplotlib.image
import numpy as np
import pytest
import scipy.fft
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.cli._main import main
from descrambler.report import Record, compare_page, page, record
from descrambler.report._html import _svg as svg
from descrambler.report._html._first import cards, unit_tables
from descrambler.report._html._render import short


def low_pass(seed):
    """A network that hears the slowest three of 16 waves."""
    rng = np.random.default_rng(seed)
    waves = scipy.fft.dct(np.eye(16), norm="ortho", axis=0)[:3]
    first, second = rng.standard_normal((9, 3)) @ waves, rng.standard_normal((6, 9))
    return ds.Network([ds.Linear(first / 4), ds.Activation("tanh"), ds.Linear(second)])


@pytest.fixture(scope="module")
def study():
    with threadpool_limits(1):
        network = low_pass(0)
        x = np.random.default_rng(1).standard_normal((60, 16))
        axis = ds.Axis("time <i>", "µs", 0.0, 2.0)
        y = network(x) + 0.1 * np.random.default_rng(2).standard_normal((60, 6))
        return ds.interpret(network, x, nulls=20, input_axis=axis, targets=y, threads=1)


@pytest.fixture(scope="module")
def kept(study):
    with threadpool_limits(1):
        return record(study)


@pytest.fixture(scope="module")
def shown(kept):
    return page(kept)


def pictures(text):
    return [ElementTree.fromstring(s) for s in re.findall(r"<svg class=\"still\".*?</svg>", text)]


def test_the_first_screen_says_in_order_what_was_found(study, kept, shown):
    start = shown.index("<main>")
    assert shown.index("The network takes 16 values") < start
    told = [f["verdict"].split(" by ")[0] for f in kept.text["first"]["told"]]
    assert told == sorted(told, key=["learnt", "present", "explained"].index)
    there = {f.statement for f in study.findings if f.verdict.startswith(("present", "explained"))}
    assert len(told) == len(there) > 0
    names = [card["name"] for card in cards(kept)]
    assert {"response", "jacobian"} <= set(names) and len(names) == len(set(names))
    assert shown.index("card-response") < shown.index('id="findings"')
    assert "Descrambled network 16-9-6" in shown
    assert '<th scope="col">used</th>' in shown
    used = re.findall(r'data-name="used">([^<]*)<', shown)
    assert len(used) == len(study.findings)
    assert {f.used for f in study.findings} - {""} == set(used) - {"–"}


def test_pictures_need_no_script_and_are_whole(kept, shown):
    found = pictures(shown)
    assert len(found) >= 2 + 2 * 2  # response, Jacobian, and two for each layer
    for picture in found:
        assert picture.get("aria-label")
        assert len(list(picture)) > 5
    assert "time &lt;i&gt;" in shown and "time <i>" not in shown


def test_pixels_are_those_of_the_matrix():
    values = np.linspace(-1, 1, 12).reshape(3, 4)
    data = base64.b64decode(svg.picture_uri(values, 1.0).partition(",")[2])
    picture = matplotlib.image.imread(io.BytesIO(data))
    assert struct.unpack(">II", data[16:24]) == (4, 3)
    colors = svg.signed()(np.rint(255 * (values[::-1] + 1) / 2).astype(int))
    np.testing.assert_allclose(picture[..., :3], colors[..., :3], atol=1 / 255)


def test_low_frequencies_get_a_logarithmic_axis():
    frequency = np.arange(200.0)
    low = svg.frequency_scale(frequency, np.where(frequency < 6, 0.0, -40.0), "f (Hz)")
    assert low.log and low.place(3.0) > 0.25 and low.place(0.0) == 0
    assert not svg.frequency_scale(frequency, np.zeros(200), "f (Hz)").log
    assert [text for _, text in svg.Scale(0.5, 200, "f", True).ticks()] == ["1", "10", "100"]
    # Four rows of a matrix have edges at 0.5 and 4.5.
    assert [text for _, text in svg.Scale(0.5, 4.5, "row").ticks()] == ["1", "2", "3", "4"]
    # The number at the right end ends within the picture.
    picture = svg.chart(svg.Scale(400, 800, "nm"), svg.Scale(0, 1, "y"), [], "")
    assert 'text-anchor="end">800<' in picture and 'text-anchor="middle">700<' in picture


def test_what_each_unit_responds_to(study, kept, shown):
    tables = unit_tables(kept)
    assert [len(table["rows"]) for table in tables] == [9, 6]
    network, x = study.study.network, study.study.inputs
    np.testing.assert_allclose(
        kept.numbers["layer1.gradients"], network.linear(1).weight, rtol=1e-6
    )
    np.testing.assert_allclose(
        kept.numbers["layer2.gradients"], ds.analysis.mean_jacobian(network, x), rtol=1e-5
    )
    first = [int(k) for k in tables[0]["rows"][4]["strongest"].split(", ")]
    signals = network.signals(x, layer=1, tap="before")[:, 4]
    assert first == (np.argsort(-signals)[:3] + 1).tolist()
    spectrum = np.abs(np.fft.rfft(network.linear(1).weight[4] - network.linear(1).weight[4].mean()))
    step = 1 / (16 * 2 / 15)
    assert tables[0]["rows"][4]["peak"] == f"{np.argmax(spectrum) * step:.3g}"
    assert shown.count('<svg class="spark"') == 2 * 15 + 3


def test_inputs_error_thresholds_and_floors_are_told(study, kept, shown):
    assert "60 rows of 16 values, 60 of them distinct" in shown
    error = study.prediction_error
    assert 0 < error < 1 and f"{100 * error:.3g} % of the variance of the targets" in shown
    assert re.search(r"≤\s?0\.048 \(smallest possible with 20 draws\)", shown)
    assert '<th scope="col">threshold</th>' in shown
    for finding in study.findings:
        anchor = "claim-" + re.sub(r"[^A-Za-z0-9]", "-", finding.what)
        assert f'href="#{anchor}"' in shown and f'id="{anchor}"' in shown
    rows = dict(kept.text["methods"]["rows"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", rows["date"])
    assert shown.index("beyond every null and every kind") < shown.index('<table class="findings">')


def test_wide_layers_are_not_listed_unit_by_unit(monkeypatch, study):
    monkeypatch.setattr("descrambler.report._html._gather.MOST_UNITS", 8)
    other = record(study)
    assert [part["shown"] for part in other.text["units"]] == [False, True]
    assert "Layer 1 has 9 units, too many to list" in page(other)


def test_two_networks_side_by_side(kept, study, tmp_path, capsys):
    text = dict(kept.text, findings=[dict(f) for f in kept.text["findings"]])
    changed = next(f for f in text["findings"] if f["verdict"] != "not found" and f["value"])
    changed |= {"verdict": "not found", "value": changed["value"] / 2}
    kept.save(_folder(tmp_path / "before") / "report.npz")
    Record(text, kept.pictures, kept.numbers).save(_folder(tmp_path / "after") / "report.npz")
    folders = [str(tmp_path / "before"), str(tmp_path / "after")]
    assert main(["report", *folders, "-o", str(tmp_path / "both.html")]) == 0
    shown = (tmp_path / "both.html").read_text()
    assert f"{changed['what']}, {changed['where']}: " in shown and "<script" not in shown
    assert f"{-changed['value']:+.3g}" in shown
    assert len(pictures(shown)) == 4  # responses, two Jacobians, their difference
    several = compare_page(
        [kept, kept, Record(text, kept.pictures, kept.numbers)], ["a", "b", "<c>"]
    )
    assert "2 of 3" in several and "&lt;c&gt;" in several
    with pytest.raises(ValueError, match="at least two"):
        compare_page([kept], ["a"])


def _folder(path):
    path.mkdir()
    return path


def test_numbers_of_a_table_are_short_and_plain():
    values = (None, -1320.4, 999.6, 0.0322, 8.57e-06, 2.5e7, float("inf"))
    assert [short(v) for v in values] == [
        "–",
        "-1320",
        "1000",
        "0.0322",
        "8.57e-06",
        "2.5e+07",
        "inf",
    ]
