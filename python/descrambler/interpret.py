"""A network interpreted with evidence: descrambled, measured, and held against null draws."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from ._validate import Array, matrix
from .analysis import two_sided_spectrum
from .analysis.jacobian import directions_matrix
from .axis import Axis, index_axis
from .detectors import DETECTORS, Axes, Detector, rejection
from .files import write_arrays, write_bytes
from .findings import Claim, Finding, claims, judge, measure, ordered
from .network import Network
from .nulls import KINDS, UNTRAINED, Null, Setting
from .result import Descrambling
from .study import Study
from .table import html_table, text_table

__all__ = ["Interpretation", "Layer", "interpret"]

SCHEMA = "descrambler.interpretation.v1"


@dataclass(frozen=True, eq=False)
class Layer:
    """One linear layer, descrambled on the sides that are link dimensions.

    Attributes
    ----------
    number : int
        Counted from 1.
    weights : ndarray, shape (n_out, n_in)
        ``P_k W_k P_{k-1}^T``, each P from the signals alone.
    before : Descrambling or None
        P_k, from the signals before the activation; None for the last layer.
    after : Descrambling or None
        P_{k-1}, from the signals after the activation of layer k - 1; None for the first layer.
    """

    number: int
    weights: Array
    before: Descrambling | None
    after: Descrambling | None


@dataclass(frozen=True, eq=False)
class Interpretation:
    """What was found in a network, and by what right.

    Attributes
    ----------
    study : Study
        The network on all inputs.
    findings : tuple of Finding
    axes : Axes
    n_nulls : int
        Draws of each null kind.
    kinds : tuple of Null
        The null kinds that were drawn.
    setting : Setting
        What they were drawn from.
    seed : int
        From which every draw has its own.
    """

    study: Study
    findings: tuple[Finding, ...]
    axes: Axes
    n_nulls: int
    kinds: tuple[Null, ...]
    setting: Setting
    seed: int

    def draw(self, kind: Null, number: int = 0) -> Study:
        """Return one draw of a null kind, as the findings were held against it."""
        return _draw(self.setting, kind, self.seed, number)

    @property
    def layers(self) -> dict[int, Layer]:
        """The layers by their number, counted from 1."""
        links = self.study.links
        return {
            k: Layer(
                k,
                self.study.weights(k),
                links[k - 1].before if k <= len(links) else None,
                links[k - 2].after if k > 1 else None,
            )
            for k in range(1, len(links) + 2)
        }

    @property
    def n_null_inputs(self) -> int:
        """Inputs on which the values of the findings and all null draws were measured."""
        return len(self.setting.inputs)

    def look_alike(self, layer: int) -> tuple[Null, float, Study]:
        """Return the null whose descrambled layer looks most like the trained one.

        By the correlation of ``|F+ P W P^T F-|`` of one draw of each kind, each link frequency scaled to the
        same energy: neither phases of link modes nor singular values count, but shapes do.

        Returns
        -------
        null : Null
        correlation : float
        study : Study
            That draw.
        """

        def shapes(study: Study) -> Array:
            amplitude = two_sided_spectrum(study.weights(layer))
            across = 1 if layer <= len(study.links) else 0
            size = np.linalg.norm(amplitude, axis=across, keepdims=True)
            scaled: Array = (amplitude / np.where(size > 0, size, 1)).ravel()
            return scaled

        own = shapes(self.measured)

        def likeness(study: Study) -> float:
            return float(np.corrcoef(own, shapes(study))[0, 1])

        draws = [(kind, self.draw(kind)) for kind in self.kinds]
        return max(((kind, likeness(study), study) for kind, study in draws), key=lambda d: d[1])

    @cached_property
    def measured(self) -> Study:
        """The network on the inputs that it shares with the nulls."""
        if self.setting.inputs is self.study.inputs:
            return self.study
        return Study(self.study.network, self.setting.inputs)

    def table(self) -> list[tuple[str, ...]]:
        """Return the findings as rows of text, the first of them the header."""
        header = (
            "finding",
            "where",
            "P matters",
            "value",
            "strongest null",
            "effect",
            "p",
            "verdict",
        )
        return [header, *(_row(finding) for finding in ordered(self.findings))]

    def __str__(self) -> str:
        return "\n".join([self.summary(), *text_table(self.table())])

    def _repr_html_(self) -> str:
        return html_table(self.table(), self.summary())

    def summary(self) -> str:
        """Return how many claims are supported, and against what, in a sentence."""
        supported = sum(finding.verdict == "supported" for finding in self.findings)
        return (
            f"{supported} of {len(self.findings)} claims supported: {self.n_nulls} draws of each of "
            f"{len(self.kinds)} null kinds, all on the same {self.n_null_inputs} inputs; p corrected for the family"
        )

    def report(
        self, path: str | os.PathLike[str], files: Sequence[str | os.PathLike[str]] = ()
    ) -> None:
        """Write one HTML file with the findings, the pictures of every layer and the methods.

        Parameters
        ----------
        path : path
        files : sequence of paths
            Where network and inputs came from: their SHA-256 goes into the methods.

        Raises
        ------
        MissingExtraError
            Without Jinja2 and Bokeh, the extra "report".
        """
        from .report.html import page, record

        write_bytes(path, page(record(self, files)).encode())

    def _markdown(self) -> str:
        head, *rows = self.table()
        cells = [head, tuple("---" for _ in head), *rows]
        lines = ["# Findings", "", f"{self.summary()}.", ""]
        lines += ["| " + " | ".join(row) + " |" for row in cells]
        lines += ["", *(f"- {finding.sentence}" for finding in ordered(self.findings)), ""]
        lines += ["## Nulls", ""]
        lines += [f"- **{n.name}**: weights: {n.weights}; inputs: {n.inputs}." for n in self.kinds]
        return "\n".join([*lines, ""])

    def save(
        self, folder: str | os.PathLike[str], files: Sequence[str | os.PathLike[str]] = ()
    ) -> None:
        """Write findings, descrambled layers and what a report shows to a folder.

        ``findings.npz``, ``report.md``, ``layer1.npz``, ... and ``report.npz``, from which
        ``descrambler report FOLDER`` makes the page; `files` as for :meth:`report`.
        """
        from .report.html import record

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        write_bytes(target / "report.md", self._markdown().encode())
        record(self, files).save(target / "report.npz")
        write_arrays(target / "findings.npz", SCHEMA, self._arrays())
        for number, layer in self.layers.items():
            np_arrays: dict[str, ArrayLike] = {"weights": layer.weights}
            for side in ("before", "after"):
                result = getattr(layer, side)
                if result is not None:
                    np_arrays[f"{side}.rotation"] = result.rotation.matrix
                    np_arrays[f"{side}.resolved"] = result.resolved
            write_arrays(target / f"layer{number}.npz", SCHEMA, np_arrays)

    def _arrays(self) -> dict[str, ArrayLike]:
        names = (
            "what",
            "where",
            "value",
            "unit",
            "rotation_matters",
            "effect",
            "p",
            "verdict",
            "sentence",
        )
        arrays: dict[str, ArrayLike] = {
            name: np.array([getattr(finding, name) for finding in self.findings]) for name in names
        }
        for null in self.kinds:
            columns = [finding.nulls.get(null.name) for finding in self.findings]
            for key in ("mean", "sd", "effect", "p"):
                arrays[f"{null.name}.{key}"] = np.array(
                    [np.nan if column is None else getattr(column, key) for column in columns]
                )
        return arrays | {"n_nulls": self.n_nulls, "n_null_inputs": self.n_null_inputs}


def _row(finding: Finding) -> tuple[str, ...]:
    unit = f" {finding.unit}" if finding.unit else ""
    start = (finding.what, finding.where, "yes" if finding.rotation_matters else "no")
    if not finding.nulls:
        return (*start, "-", "-", "-", "-", finding.verdict)
    null = finding.nulls[finding.strongest]
    return (
        *start,
        f"{finding.value:.3g}{unit}",
        f"{finding.strongest} {null.mean:.3g} ± {null.sd:.2g}",
        f"{finding.effect:.1f}",
        f"{finding.p:.2g}",
        finding.verdict,
    )


def interpret(
    network: Network,
    inputs: ArrayLike,
    initial: Network | None = None,
    *,
    nulls: int = 200,
    null_inputs: int = 2000,
    random_state: int | np.random.Generator | None = 0,
    input_axis: Axis | None = None,
    output_axis: Axis | None = None,
    nuisance: ArrayLike | None = None,
    wanted: ArrayLike | None = None,
    detectors: Sequence[Detector] = DETECTORS,
    workers: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Interpretation:
    """Descramble a network, look for what it may have learnt, and test it against nulls.

    Parameters
    ----------
    network : Network
        With at least two linear layers.
    inputs : array_like, shape (m, n_in)
        What the network sees, one sample in a row: real data, not noise.
    initial : Network, optional
        The same network before training; by default ``network.initial``. Without one there is no null
        of untrained networks.
    nulls : int
        Draws of each null kind, at least 20.
    null_inputs : int
        Inputs, drawn once and shared, on which the findings and their nulls are measured; all where
        there are fewer.
    random_state : int, Generator or None
        Seed. Every draw has its own, so that the number of workers changes nothing.
    input_axis, output_axis : Axis, optional
        What inputs and outputs are; plain numbers otherwise.
    nuisance, wanted : array_like, shape (any, n_in), optional
        Directions in which the inputs vary for reasons that do not, and that do matter: differences
        between baselines, say, and between noise-free signals.
    detectors : sequence of Detector
        What to look for, beside the rejection of the nuisance.
    workers : int, optional
        Threads; by default as many as there are processors.
    progress : callable, optional
        Told the null kind after each draw.

    Returns
    -------
    Interpretation

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value.
    """
    if nulls < 20:
        raise ValueError(f"nulls must be at least 20, to reach p = 0.05, got {nulls}")
    if null_inputs < 2:
        raise ValueError(f"null_inputs must be at least 2, got {null_inputs}")
    study = Study(network, matrix("inputs", inputs))
    assert study.inputs is not None
    entropy = cast(int, np.random.SeedSequence(_seed(random_state)).entropy)
    shared = _shared(study.inputs, null_inputs, entropy)
    setting = Setting(network, shared, initial or network.initial)
    directions = _directions("nuisance", nuisance, network), _directions("wanted", wanted, network)
    family = claims(network, (*detectors, rejection(*directions)))
    kinds = tuple(
        kind
        for kind in KINDS
        if (kind is not UNTRAINED or setting.initial is not None)
        and any(kind in claim.detector.nulls for claim in family)
    )
    axes = Axes(
        input_axis or index_axis("input", network.n_in),
        output_axis or index_axis("output", network.n_out),
    )
    draws = _draw_all(setting, kinds, family, nulls, entropy, workers, progress)
    measured = study if shared is study.inputs else Study(network, shared)
    return Interpretation(
        study=study,
        findings=judge(measured, family, measure(measured, family), draws, axes),
        axes=axes,
        n_nulls=nulls,
        kinds=kinds,
        setting=setting,
        seed=entropy,
    )


def _directions(name: str, value: ArrayLike | None, network: Network) -> Array | None:
    return None if value is None else directions_matrix(name, value, network.n_in)


def _seed(random_state: int | np.random.Generator | None) -> int | None:
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    return random_state


def _shared(inputs: Array, count: int, entropy: int) -> Array:
    if len(inputs) <= count:
        return inputs
    rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(len(KINDS),)))
    chosen: Array = inputs[np.sort(rng.choice(len(inputs), count, replace=False))]
    return chosen


def _draw(setting: Setting, kind: Null, entropy: int, number: int) -> Study:
    seed = np.random.SeedSequence(entropy, spawn_key=(KINDS.index(kind), number))
    return kind.draw(setting, np.random.default_rng(seed))


def _draw_all(
    setting: Setting,
    kinds: Sequence[Null],
    family: Sequence[Claim],
    count: int,
    entropy: int,
    workers: int | None,
    progress: Callable[[str], None] | None,
) -> dict[Null, Array]:
    """Values of every draw of every kind, shape (count, d) each."""
    jobs = [(kind, number) for kind in kinds for number in range(count)]

    def one(job: tuple[Null, int]) -> Array:
        kind, number = job
        return measure(_draw(setting, kind, entropy, number), family, kind)

    values: dict[Null, Array] = {kind: np.empty((count, len(family))) for kind in kinds}
    for (kind, number), row in zip(jobs, _in_threads(one, jobs, workers), strict=True):
        values[kind][number] = row
        if progress is not None:
            progress(kind.name)
    return values


def _in_threads(
    work: Callable[[tuple[Null, int]], Array],
    jobs: list[tuple[Null, int]],
    workers: int | None,
) -> Iterator[Array]:
    pool = ThreadPoolExecutor(workers or len(os.sched_getaffinity(0)))
    try:
        # Threads of ours and of a BLAS together wait for each other most of the time.
        with threadpool_limits(1, user_api="blas"):
            yield from pool.map(work, jobs)
    finally:
        # After Ctrl-C or an error, only what has begun is finished.
        pool.shutdown(cancel_futures=True)
