"""How results are shown: reprs of at most five lines, tables without rows that do not apply."""

import dataclasses
import importlib
import inspect

import numpy as np
import pytest

import descrambler as ds
from descrambler._util.tables import brief, html_table, text_table

RNG = np.random.default_rng(0)
SIGNALS = RNG.laplace(size=(200, 12)) @ RNG.standard_normal((12, 12))
INPUTS = RNG.standard_normal((1000, 12)) * np.geomspace(1, 0.03, 12)
NETWORK = ds.Network(
    [
        ds.Linear(RNG.standard_normal((9, 12)), RNG.standard_normal(9)),
        ds.Activation("tanh"),
        ds.Linear(RNG.standard_normal((8, 9))),
    ]
)
ROOMS = (
    "",
    ".analysis",
    ".criteria",
    ".deer",
    ".network",
    ".evidence",
    ".evidence.nulls",
    ".report",
)


def public_classes():
    for room in ROOMS:
        module = importlib.import_module(f"descrambler{room}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                yield value


@pytest.fixture(scope="module")
def interpreted():
    return ds.interpret(NETWORK, INPUTS, nulls=20, threads=1)


def examples(interpreted, folder):
    result = ds.descramble(SIGNALS)
    result.save(folder / "r.npz")
    deer = ds.deer.simulate(3)
    yield from (NETWORK, *NETWORK.layers, ds.gram(SIGNALS), result, result.rotation, deer)
    yield from (
        ds.load_result(folder / "r.npz"),
        ds.compare(result, result),
        ds.Axis("t", "s", 0, 1),
    )
    yield ds.descramble(SIGNALS, rank=2).rotation
    yield ds.descramble(SIGNALS, rank=2).leading
    yield ds.descramble(SIGNALS, "varimax", n_starts=3, random_state=0).starts
    yield ds.diagonalize(SIGNALS[:9], "sum").criterion
    yield ds.ensemble([NETWORK, NETWORK], INPUTS)
    yield from (interpreted, interpreted.findings[0], interpreted.study, interpreted.setting)
    yield from (interpreted.layers[1], interpreted.study.links[0], interpreted.kinds[0])
    yield ds.criteria.Smoothness(operator=np.eye(12)) + 2 * ds.criteria.TargetCovariance(np.eye(12))
    yield ds.criteria.Custom(lambda y: (0.0, y))
    yield ds.deer.Trace(deer.time, deer.traces[0])


def test_reprs_are_short(interpreted, tmp_path):
    shown = [repr(example) for example in examples(interpreted, tmp_path)]
    for text in shown:
        assert text.count("\n") < 5 and len(text) < 900, text
        assert "array(" not in text and "at 0x" not in text, text
    assert "matrix=<float64 12 x 12>" in shown[4]


def test_no_public_class_has_the_repr_of_a_dataclass_with_arrays():
    scalars = {
        "str",
        "int",
        "float",
        "bool",
        "float | None",
        "int | None",
        "bool | None",
        "str | None",
    }
    for cls in public_classes():
        if dataclasses.is_dataclass(cls):
            plain = all(field.type in scalars for field in dataclasses.fields(cls) if field.repr)
            generated = "__create_fn__" in cls.__repr__.__qualname__
            assert plain or not generated, cls


def test_brief():
    @brief
    @dataclasses.dataclass
    class Example:
        numbers: object
        text: str
        number: float
        many: tuple
        few: tuple
        function: object

    example = Example(np.zeros((3, 2), np.float32), "line\n" * 90, 1 / 3, (1,) * 9, (1.0,), len)
    assert repr(example).startswith("Example(numbers=<float32 3 x 2>, text='line\\nline")
    assert "number=0.333333, many=<9 in a tuple>, few=(1), function=len" in repr(example)


def rows(result):
    return dict(result.table())


def test_only_rows_that_apply():
    exact = rows(ds.descramble(SIGNALS))
    assert {"lower bound", "gap", "resolved modes", "gauge"} <= exact.keys()
    assert not {"starts", "modes placed", "optimum"} & exact.keys()
    local = rows(ds.descramble(SIGNALS, "varimax"))
    assert local["optimum"].startswith("local")
    assert not {"upper bound", "gap", "resolved modes", "resolved signs", "gauge"} & local.keys()
    assert "starts" not in local
    assert not any("inf" in value for value in local.values())
    many = rows(ds.descramble(SIGNALS, "varimax", n_starts=2, random_state=0))
    assert many["starts"].split()[2] == "2"
    assert "upper bound" in rows(ds.descramble(SIGNALS, "autocorrelation"))
    assert "modes placed" in rows(ds.descramble(SIGNALS, rank=2))
    diagonal = rows(ds.diagonalize(SIGNALS[:12], "norm_square"))
    assert "upper bound" in diagonal and "resolved modes" not in diagonal


def test_one_layout_for_text_and_html():
    result = ds.descramble(SIGNALS)
    text, page = str(result).splitlines(), result._repr_html_()
    assert text[0] == "Descrambling" and "<caption style='text-align:left'>Descrambling" in page
    starts = {line.index(value) for line, (_, value) in zip(text[1:], result.table(), strict=True)}
    assert len(starts) == 1
    assert page.count("<tr>") == len(text) - 1
    assert text_table([("a", "bc"), ("def", "g")]) == ["a    bc", "def  g"]
    assert "&lt;b&gt;" in html_table([("name",), ("<b>",)], "caption")
