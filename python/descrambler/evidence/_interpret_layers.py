"""Findings for linear layers that were captured from any PyTorch model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np

from .._util.parallel import Executor, mapping
from .._util.platform.console import shown
from .._util.progress import Progress, reporting
from .._util.seeds import seed_of
from .._util.tables import brief, html_table, text_table
from .._util.validate import Array, integer
from ..axis import Axis, check_axis
from ._captured import Captured, Layers, captured, check_alike, check_distinct
from ._claims import Claim, measure
from ._findings import Finding, counts, judge, ordered
from ._table import rows
from ._verdicts import label
from .detectors import Detector
from .nulls import HAAR, RANDOM, SMOOTH, UNTRAINED, Null, Setting

LEAST_NULLS = 20

_Work = Callable[[], Array]


@brief
@dataclass(frozen=True, eq=False)
class LayerInterpretation:
    """The findings for captured layers, and the nulls and controls they were tested against.

    Attributes
    ----------
    findings : tuple of Finding
        `Finding.where` is "layer" and the tap.
    n_nulls : int
        Draws of each null kind.
    n_controls : mapping of str to int
        Control models by kind.
    kinds : tuple of Null
    """

    findings: tuple[Finding, ...]
    n_nulls: int
    n_controls: Mapping[str, int]
    kinds: tuple[Null, ...]

    def table(self) -> list[tuple[str, ...]]:
        """Return the findings as rows of text, the first of them the header."""
        return rows(ordered(self.findings))

    def summary(self) -> str:
        """Return how many claims have which verdict, and against what, in a sentence."""
        words = ", ".join(f"{n} {word}" for word, n in counts(self.findings).items() if n)
        against = ", ".join(f"{n} controls ({label(k)})" for k, n in self.n_controls.items())
        return (
            f"{len(self.findings)} claims: {words or 'none'}. {self.n_nulls} draws of each of {len(self.kinds)} null "
            f"kinds, {against or 'no trained controls'}, each layer on its captured signals; p corrected for the family"
        )

    def __str__(self) -> str:
        return "\n".join([shown(self.summary()), *text_table(self.table())])

    def _repr_html_(self) -> str:
        return html_table(self.table(), self.summary())


def interpret_layers(
    layers: Layers,
    initial: Layers | None = None,
    *,
    controls: Mapping[str, Sequence[Layers]] | None = None,
    nulls: int = 50,
    random_state: int | np.random.Generator | None = 0,
    input_axis: Axis | None = None,
    output_axis: Axis | None = None,
    detectors: Sequence[Detector] | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    progress: Progress = False,
) -> LayerInterpretation:
    """Measure what layers captured from a PyTorch model may have learnt, and test it.

    The detectors that apply to one layer: low rank at any tap; orthogonal columns, link sinusoids and (square
    weights) the diagonal at inputs; with an axis also link order and polynomial outputs at inputs, notch and link
    frequency map at outputs. Detectors that need the Jacobian of a whole network are available in `interpret` only.

    Nulls redraw the weights of a layer and keep the signals that were captured there: random weights, random
    directions, smooth directions where an axis is given and, with `initial`, untrained weights on the
    signals of the untrained model. Without controls a claim is "present" at most.

    Parameters
    ----------
    layers : mapping of str to DescrambledLinear
        What ``ds.interop.torch.descramble_module`` returned for smoothness, by tap.
    initial : mapping of str to DescrambledLinear, optional
        The same for the model before training.
    controls : mapping of str to sequence of mappings, optional
        The same for models trained by the same recipe on shuffled targets, by kind: see `interpret`.
    nulls : int
        Draws per null kind, at least 20.
    random_state : int, Generator or None
    input_axis : Axis, optional
        Axis of the inputs of the layers at ``:output`` taps, if they are ordered.
    output_axis : Axis, optional
        Axis of the outputs of the layers at ``:input`` taps, if they are ordered.
    detectors : sequence of Detector, optional
        Detectors to use; by default all that apply.
    threads : int or None
        Threads for the models and the draws; None for one thread per processor.
    executor : Executor, optional
        Used instead of threads, as in `interpret`.
    progress : bool or callable
        True shows a bar. A function is called after each model and each draw with a step (`done`, `total`,
        `label`).

    Returns
    -------
    LayerInterpretation

    Raises
    ------
    TypeError, ValueError
        If layers are not of this kind, were not descrambled for smoothness, do not fit each other, or are
        controls with the weights of another model.
    """
    nulls = integer("nulls", nulls, LEAST_NULLS, ", to reach p = 0.05")
    check_axis("input_axis", input_axis)
    check_axis("output_axis", output_axis)
    own = captured("layers", layers)
    start = None if initial is None else captured("initial", initial)
    if start is not None:
        check_alike("initial", own, start)
    others = _controls(own, controls)
    families = {tap: x.claims(detectors, input_axis, output_axis) for tap, x in own.items()}
    entropy = seed_of(random_state)
    kinds = _kinds(start is not None, input_axis is not None or output_axis is not None)
    models = [
        own,
        *([] if start is None else [start]),
        *(m for group in others.values() for m in group),
    ]
    work: list[_Work] = [partial(_measured, model, families) for model in models]
    for k, kind in enumerate(kinds):
        seeds = [(entropy, k, i) for i in range(nulls)]
        work += [partial(_drawn, own, start, families, kind, seed) for seed in seeds]
    names = ["model"] * len(models) + [kind.name for kind in kinds for _ in range(nulls)]
    rows = []
    with (
        mapping(threads, executor) as apply,
        reporting(progress, len(work), "draw") as report,
    ):
        for name, row in zip(names, apply(_done, work), strict=True):
            rows.append(row)
            report(len(rows), name)
    values = iter(rows)
    observed = next(values)
    before = None if start is None else next(values)
    by_kind = {kind: np.array([next(values) for _ in group]) for kind, group in others.items()}
    draws = {kind: np.array([next(values) for _ in range(nulls)]) for kind in kinds}
    rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(len(kinds), 0)))
    family = [claim for claims in families.values() for claim in claims]
    studies = {tap: x.study() for tap, x in own.items()}
    places = [
        (studies[tap], own[tap].axes(input_axis, output_axis)) for tap in own for _ in families[tap]
    ]
    unknown = np.full(len(family), np.nan)
    findings = judge(places, family, observed, draws, by_kind, unknown, rng, initial=before)
    return LayerInterpretation(findings, nulls, {k: len(v) for k, v in others.items()}, kinds)


def _kinds(untrained: bool, ordered_axis: bool) -> tuple[Null, ...]:
    first = (UNTRAINED,) if untrained else ()
    return (*first, RANDOM, HAAR, *((SMOOTH,) if ordered_axis else ()))


def _controls(
    own: Mapping[str, Captured], controls: Mapping[str, Sequence[Layers]] | None
) -> dict[str, list[dict[str, Captured]]]:
    if controls is None:
        return {}
    if not isinstance(controls, Mapping):
        raise TypeError(
            f"controls must map kinds to lists of captured layers, got {type(controls).__name__}"
        )
    given: dict[str, list[dict[str, Captured]]] = {}
    for kind, models in controls.items():
        if isinstance(models, Mapping) or not models:
            raise ValueError(
                f"controls[{kind!r}] must be a list with the captured layers of each control model"
            )
        given[kind] = [captured(f"controls[{kind!r}]", model) for model in models]
        for model in given[kind]:
            check_alike(f"controls[{kind!r}]", own, model)
    check_distinct(own, given)
    return given


def _drawn(
    own: Mapping[str, Captured],
    start: Mapping[str, Captured] | None,
    families: Mapping[str, Sequence[Claim]],
    kind: Null,
    seed: tuple[int, int, int],
) -> Array:
    """Values of all claims where every layer is a null draw, on the signals at its tap."""
    entropy, *key = seed
    rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=tuple(key)))
    values = []
    for tap, layer in own.items():
        before = None if start is None else start[tap]
        ordered = not layer.at_input, layer.at_input
        initial = None if before is None else before.network
        setting = Setting(layer.network, cast(Array, None), initial, None, ordered)
        signals = before if kind == UNTRAINED and before is not None else layer
        drawn = kind.draw(setting, rng).network
        values.append(measure(signals.study(drawn), families[tap], kind))
    return np.concatenate(values)


def _measured(model: Mapping[str, Captured], families: Mapping[str, Sequence[Claim]]) -> Array:
    return np.concatenate([measure(layer.study(), families[tap]) for tap, layer in model.items()])


def _done(work: _Work) -> Array:
    return work()
