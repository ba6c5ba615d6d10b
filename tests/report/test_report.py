"""The report: what is in the page, what cannot get out of it, and what it does in a browser."""

import base64
import csv
import hashlib
import io
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.axis import Axis, index_axis
from descrambler.cli._main import main
from descrambler.evidence._interpret import Interpretation, interpret
from descrambler.evidence._study import Study
from descrambler.evidence.detectors import Axes
from descrambler.evidence.nulls import KINDS, UNTRAINED, Setting, draw
from descrambler.report._evidence import N_DRAWS, _range_of
from descrambler.report._html import Record, page, record
from descrambler.report._html._packing import blocks, pack, picked
from descrambler.report._html._record import CELLS, _stride
from descrambler.report._html._views import view

webdriver = pytest.importorskip("selenium.webdriver")

EVIL = "</script><script>window.evil=1</script><img src=x onerror=window.evil=1>$$x$${{ 7*7 }}\"'"


def chain(widths, seed=0, bias=False):
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        weights, offset = rng.standard_normal((n_out, n_in)), rng.standard_normal(n_out)
        layers += [ds.Linear(weights, offset if bias else None), ds.Activation("tanh")]
    return ds.Network(layers)


@pytest.fixture(scope="module")
def evil_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("names") / EVIL.replace("/", "_")
    path.write_bytes(b"weights")
    return path


@pytest.fixture(scope="module")
def interpretation():
    with threadpool_limits(1):
        widths = [14, 12, 9, 10]
        x = np.random.default_rng(1).standard_normal((80, 14)) * 0.7 ** np.arange(14)
        return interpret(
            chain(widths, bias=True),
            x,
            chain(widths, 5, bias=True),
            nulls=20,
            input_axis=Axis(EVIL, EVIL, 0.0, 2.0, EVIL, EVIL),
            output_axis=Axis("distance", "Å", 1.0, 9.0),
        )


@pytest.fixture(scope="module")
def kept(interpretation, evil_file):
    return record(interpretation, [evil_file])


@pytest.fixture(scope="module")
def html(kept):
    return page(kept)


# ---- numbers ---------------------------------------------------------------------------------------


def test_packed_values_come_back_to_half_a_step():
    values = np.random.default_rng(0).standard_normal((7, 5))
    packed = pack(values)
    assert packed.integers.dtype == np.int8
    assert np.abs(packed.scale * packed.integers - values).max() <= packed.scale / 2 * (1 + 1e-12)
    assert packed.scale <= np.abs(values).max() / 127 * (1 + 1e-12)
    assert not pack(np.zeros((2, 2))).integers.any()


def test_strides_pick_weights_and_average_magnitudes():
    values = np.arange(35.0).reshape(5, 7)
    np.testing.assert_array_equal(picked(values, 2), values[[0, 2, 4]][:, [0, 2, 4, 6]])
    expected = [
        [values[i : i + 3, j : j + 3].mean() for j in range(0, 7, 3)] for i in range(0, 5, 3)
    ]
    np.testing.assert_allclose(blocks(values, 3), expected)
    np.testing.assert_array_equal(blocks(values, 1), values)


def test_large_networks_are_drawn_with_a_stride():
    assert _stride(chain([256, 80, 256]), 8) == 1
    wide = chain([512] * 7)
    assert 6 * 8 * (512 // _stride(wide, 8)) ** 2 < CELLS


def test_a_view_is_what_the_study_says(interpretation):
    study = interpretation.study
    seen = view(study, 2)
    np.testing.assert_allclose(seen.raw * seen.unit, study.raw(2))
    np.testing.assert_allclose(seen.descrambled * seen.unit, study.weights(2))
    np.testing.assert_allclose(seen.bias[0] * seen.unit, study.bias(2))
    np.testing.assert_allclose(seen.singular, np.linalg.svd(study.raw(2), compute_uv=False))
    two_sided = ds.analysis.two_sided_spectrum(study.weights(2)) / seen.unit
    np.testing.assert_allclose(seen.spectrum[0, 0], two_sided[9 // 2, 12 // 2])
    np.testing.assert_allclose(seen.spectrum[2, 3], two_sided[9 // 2 + 2, 12 // 2 + 3])
    assert seen.outputs is not None
    assert seen.inputs is not None
    np.testing.assert_array_equal(seen.outputs.resolved, study.links[1].before.resolved)
    assert view(study, 1).inputs is None
    assert view(study, 3).outputs is None


def test_nulls_shown_are_the_draws_that_were_tested(interpretation):
    kind = interpretation.kinds[1]
    again = interpretation.draw(kind)
    np.testing.assert_array_equal(again.raw(1), interpretation.draw(kind, 0).raw(1))
    assert np.abs(again.raw(1) - interpretation.draw(kind, 1).raw(1)).max() > 0.1
    fresh = draw(interpretation.setting, kind, interpretation.seed, 0)
    np.testing.assert_array_equal(again.raw(1), fresh.raw(1))


def test_network_and_nulls_are_drawn_from_the_same_inputs(monkeypatch):
    result = untested(chain([14, 12, 3]), inputs=60)
    few = replace(result, setting=replace(result.setting, inputs=result.study.inputs[:30]))
    assert len(few.pictured.inputs) == 60
    kind = next(kind for kind in few.kinds if kind.name == "random weights")
    assert few.pictured_draw(kind).inputs is few.pictured.inputs
    np.testing.assert_array_equal(few.pictured_draw(kind).raw(1), few.draw(kind).raw(1))
    monkeypatch.setattr("descrambler.evidence._interpretation.MOST_PICTURED", 40)
    less = replace(few)
    assert len(less.pictured.inputs) == 40
    assert len(less.pictured_draw(kind).inputs) == 40


def test_controls_on_shuffled_targets_stand_beside_the_network():
    given = {kind: [chain([14, 12, 3], seed) for seed in seeds] for kind, seeds in SEEDS.items()}
    result = replace(untested(chain([14, 12, 3]), inputs=60), controls=given)
    names = [kind.name for kind in result.counterparts]
    assert names == ["shuffled once", "shuffled anew", *(kind.name for kind in result.kinds)]
    anew = result.counterparts[1]
    drawn = {result.draw(anew, number).network for number in range(20)}
    assert drawn == set(given["anew"])
    studies, counted = _range_of(result, anew)
    assert [study.network for study in studies] == list(given["anew"])
    assert counted == "2 networks"
    assert len(_range_of(result, result.kinds[0])[0]) == N_DRAWS
    assert result.pictured_draw(anew).inputs is result.pictured.inputs
    kept = record(result)
    assert [network["name"] for network in kept.text["networks"]] == ["trained", *names]
    shown = kept.pictures["2/1/descrambled"]
    expected = view(result.pictured_draw(anew), 1).descrambled
    np.testing.assert_allclose(shown.integers * shown.scale, expected, atol=shown.scale)


SEEDS = {"once": (10, 11), "anew": (20, 21), "true": (30,)}


@pytest.mark.parametrize("n_out", [1, 3])
def test_the_look_alike_of_a_layer_with_one_output(n_out):
    result = untested(chain([14, 12, n_out]), inputs=60)
    for layer in (1, 2):
        assert 0 < result.look_alike(layer)[1] <= 1


def untested(network, inputs):
    """An interpretation without findings."""
    x = np.random.default_rng(1).standard_normal((inputs, network.n_in))
    return Interpretation(
        study=Study(network, x),
        findings=(),
        axes=Axes(index_axis("input", network.n_in), index_axis("output", network.n_out)),
        n_nulls=0,
        controls={},
        kinds=tuple(kind for kind in KINDS if kind is not UNTRAINED),
        setting=Setting(network, x, None),
        seed=0,
    )


def test_a_record_is_saved_and_read_again(kept, html, tmp_path):
    kept.save(tmp_path / "report.npz")
    assert page(Record.load(tmp_path / "report.npz")) == html
    Record({"title": "half"}, {}, {}).save(tmp_path / "half.npz")
    with pytest.raises(ValueError, match="lacks parts"):
        Record.load(tmp_path / "half.npz")
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"not a readable \.npz"):
        Record.load(tmp_path / "bad.npz")


# ---- the page --------------------------------------------------------------------------------------


def data_uri(html, name):
    return base64.b64decode(
        re.search(rf'download="{re.escape(name)}" href="data:[^,]*,([^"]*)"', html)[1]
    )


def test_numbers_in_the_page_are_exact(html, interpretation):
    numbers = np.load(io.BytesIO(data_uri(html, "numbers.npz")))
    seen = view(interpretation.study, 3)
    np.testing.assert_array_equal(numbers["layer3.descrambled"], seen.descrambled)
    np.testing.assert_array_equal(numbers["layer3.singular_values"], seen.singular)
    rows = list(csv.DictReader(io.StringIO(data_uri(html, "findings.csv").decode())))
    assert {(row["what"], row["where"]) for row in rows} == {
        (finding.what, finding.where) for finding in interpretation.findings
    }
    first = next(row for row in rows if row["p"])
    finding = next(
        f for f in interpretation.findings if (f.what, f.where) == (first["what"], first["where"])
    )
    assert float(first["value"]) == finding.value
    assert float(first["null mean"]) == finding.nulls[first["null name"]].mean


def test_methods_say_what_makes_it_repeatable(html, kept, evil_file):
    rows = dict(kept.text["methods"]["rows"])
    assert rows["seed"] == "0"
    assert rows["descrambler"] == ds.__version__
    file_hash = next(value for name, value in rows.items() if name.startswith("file "))
    assert file_hash == hashlib.sha256(evil_file.read_bytes()).hexdigest()
    assert "2016917118" in kept.text["methods"]["paragraph"]


def test_names_are_text(html):
    assert "<script>window.evil" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;window.evil" in html
    assert len(re.findall(r"<script\b", html.replace(library(html), ""))) == 3


def library(html):
    return max(re.findall(r"<script>(.*?)</script>", html, re.DOTALL), key=len)


def test_a_page_asks_for_nothing(html):
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in html
    assert not re.findall(r'(?:src|href)="(?!#|data:)', html.replace(library(html), ""))


def test_a_page_of_six_layers_of_512_units_stays_below_5_mb():
    """With weights of no structure, which compress worst."""
    interpretation = untested(chain([512] * 7), inputs=64)
    assert 4_000_000 < len(page(record(interpretation)).encode()) < 5_000_000


def test_command_makes_the_page(interpretation, tmp_path, capsys):
    interpretation.save(tmp_path / "out")
    assert main(["report", str(tmp_path / "out")]) == 0
    assert "needs no network" in capsys.readouterr().out
    written = (tmp_path / "out" / "report.html").read_text()
    interpretation.report(tmp_path / "direct.html")
    assert written == (tmp_path / "direct.html").read_text()
    assert main(["report", str(tmp_path / "out")]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "out"), "--force", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["bytes"] == (tmp_path / "out" / "report.html").stat().st_size
    assert main(["report", str(tmp_path / "nowhere")]) == 2


# ---- in a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def opened(browser, html, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html)
    browser.set_window_size(1200, 900)
    browser.get(path.as_uri())
    wait(browser, "return document.body.dataset.ready === 'yes'")
    return browser


def wait(browser, script):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60, 0.05).until(lambda b: b.execute_script(script))


def errors(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"]


def test_page_opens_without_errors_and_runs_no_name(opened):
    assert errors(opened) == []
    assert opened.execute_script("return window.evil") is None
    assert opened.execute_script("return plots.length") > 3 * 8


def test_page_shows_the_numbers(opened, kept):
    shown = opened.execute_async_script(
        "const done = arguments[0]; unpacked('0/2/descrambled').then((n) => done([Array.from(n.values), n.shape]))"
    )
    picture = kept.pictures["0/2/descrambled"]
    np.testing.assert_allclose(
        np.reshape(shown[0], shown[1]), picture.integers * picture.scale, rtol=1e-6
    )


def test_nulls_are_switched_with_the_keyboard(opened, kept):
    from selenium.webdriver.common.keys import Keys

    before = opened.execute_script(NULL_IMAGE)
    first = opened.find_element("css selector", "input[name=null]:checked")
    first.send_keys(Keys.ARROW_DOWN)
    wait(opened, "return document.body.dataset.beside === '2'")
    after = opened.execute_script(NULL_IMAGE)
    picture = kept.pictures["2/1/descrambled"]
    np.testing.assert_allclose(after, (picture.integers * picture.scale).ravel(), rtol=1e-6)
    assert np.abs(np.subtract(after, before)).max() > 0.1
    names = opened.execute_script(
        "return Array.from(document.querySelectorAll('.null-name'), (e) => e.textContent)"
    )
    assert set(names) == {kept.text["networks"][2]["name"]}
    # Trained and null: one scale.
    scales = opened.execute_script("return [0, 1].map((i) => image(i).glyph.color_mapper.high)")
    assert scales[0] == scales[1]
    assert errors(opened) == []


NULL_IMAGE = """
window.image = (i) => plots[i].view.model.renderers.find((r) => r.glyph instanceof Bokeh.Image);
return Array.from(image(1).data_source.data.image[0]);
"""


def test_keys_zoom_both_pictures_and_go_back(opened):
    from selenium.webdriver.common.keys import Keys

    ranges = "return [0, 1].map((i) => [plots[i].view.model.x_range.start, plots[i].view.model.x_range.end])"
    home = opened.execute_script(ranges)
    box = opened.find_element("css selector", ".plot")
    box.send_keys("+", Keys.ARROW_RIGHT)
    zoomed = opened.execute_script(ranges)
    assert zoomed[0] == zoomed[1]
    assert zoomed[0][1] - zoomed[0][0] < 0.8 * (home[0][1] - home[0][0])
    box.send_keys("0")
    assert opened.execute_script(ranges) == home


def test_a_plot_and_its_two_buttons_are_three_stops_of_the_tab_key(opened):
    # Until its layout has settled, a plot may have one more.
    wait(
        opened,
        """
        const count = (root) => [...root.querySelectorAll("*")].reduce(
          (n, one) => n + (one.tabIndex >= 0) + (one.shadowRoot ? count(one.shadowRoot) : 0), 0);
        return plots.every(({ box }) => count(box.closest("figure")) === 3);
        """,
    )


def test_pictures_are_dark_where_the_reader_prefers_that_and_light_on_paper(opened):
    def prefer(value):
        feature = {"name": "prefers-color-scheme", "value": value}
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    colors = """
    const { model } = plots[0].view;
    return [model.below[0].axis_label_text_color, model.background_fill_color];
    """
    prefer("light")
    light = opened.execute_script(colors)
    prefer("dark")
    wait(opened, "return plots[0].view.model.background_fill_color !== '#fff'")
    dark = opened.execute_script(colors)
    brightness = [[int(color[1:2], 16) for color in pair] for pair in (light, dark)]
    assert brightness[0][0] < 4 < 12 < brightness[0][1]
    assert brightness[1][1] < 4 < 12 < brightness[1][0]
    opened.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.execute_script(colors) == light
    opened.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert opened.execute_script(colors) == dark
    prefer("light")


def test_hover_tells_the_value(opened):
    opened.execute_script("plots[0].box.scrollIntoView({block: 'center'})")
    webdriver.ActionChains(opened).move_to_element(
        opened.find_element("css selector", ".plot")
    ).perform()
    tip = """
    const texts = (node) => [...node.querySelectorAll("*")].flatMap((one) =>
      [one.className === "bk-tooltip-content" ? one.textContent : "", ...(one.shadowRoot ? texts(one.shadowRoot) : [])]);
    return texts(document).some((text) => /value: *-?[0-9.]+/.test(text));
    """
    wait(opened, tip)


def test_a_narrow_window_needs_no_sideways_scrolling(opened):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    wait(opened, "return innerWidth === 400")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= 400
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_paper_has_every_picture(opened):
    stills = opened.execute_script(
        """window.dispatchEvent(new Event("beforeprint"));
        return Array.from(document.querySelectorAll("canvas.paper"), (c) => {
          const pixels = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
          return [c.width, new Set(new Uint32Array(pixels.buffer)).size];
        });"""
    )
    assert len(stills) == opened.execute_script("return plots.length")
    # None is blank.
    assert min(colors for _, colors in stills) > 5
    opened.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert opened.execute_script("return document.querySelectorAll('canvas.paper').length") == 0
