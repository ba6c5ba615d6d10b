"""The result of an interpretation: descrambled layers, findings, and how they were tested."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .._solvers.result import Descrambling
from .._util.files import check_new, write_arrays, write_bytes
from .._util.tables import brief
from .._util.validate import Array
from ..analysis import two_sided_spectrum
from ..network._network import Network
from ._beside import as_null
from ._findings import Finding, ordered
from ._showing import Showing
from ._study import Study
from ._table import columns_of
from ._telling import headline
from ._verdicts import TRUE
from .detectors import Axes
from .nulls import Null, Setting, draw

__all__ = ["Interpretation", "Layer"]

SCHEMA = "descrambler.interpretation.v1"

MOST_PICTURED = 10_000
"""Inputs from which pictures are drawn; more would resolve modes that few readers look at."""
PICTURED_SIGNALS = 10_000_000
"""Signals of all hidden units together that a pictured study may hold."""


@brief
@dataclass(frozen=True, eq=False)
class Layer:
    """One linear layer, descrambled on the sides that are link dimensions.

    Attributes
    ----------
    number : int
        Counted from 1.
    weights : ndarray, shape (n_out, n_in)
        ``P_k W_k P_{k-1}^T``, each P from the signals alone.
    bias : ndarray, shape (n_out,), or None
        ``P_k b_k``: one more column of the weights, that of an input line which is always 1.
    before : Descrambling or None
        P_k, from the signals before the activation; None for the last layer.
    after : Descrambling or None
        P_{k-1}, from the signals after the activation of layer k - 1; None for the first layer.
    """

    number: int
    weights: Array
    bias: Array | None
    before: Descrambling | None
    after: Descrambling | None


@brief
@dataclass(frozen=True, eq=False)
class Interpretation(Showing):
    """The findings for one network, and the nulls and controls that they were tested against.

    Attributes
    ----------
    study : Study
        The network on all inputs.
    findings : tuple of Finding
    axes : Axes
    n_nulls : int
        Largest number of draws of each null kind.
    controls : mapping of str to sequence of Network
        Trained controls by kind.
    kinds : tuple of Null
        The null kinds that were drawn.
    setting : Setting
        What they were drawn from.
    seed : int
        Every draw gets its own seed from it.
    prediction_error : float or None
        Mean squared error on the targets, as a share of their variance; None where none were given.
    doubt : str
        Why the network does not seem to do the task of the targets, so that no claim is "learnt"; empty if
        it does, or no true targets were given.
    """

    study: Study
    findings: tuple[Finding, ...]
    axes: Axes
    n_nulls: int
    controls: Mapping[str, Sequence[Network]]
    kinds: tuple[Null, ...]
    setting: Setting
    seed: int
    prediction_error: float | None = None
    doubt: str = ""

    @property
    def n_controls(self) -> dict[str, int]:
        """Number of trained controls by kind."""
        return {kind: len(networks) for kind, networks in self.controls.items()}

    @cached_property
    def counterparts(self) -> tuple[Null, ...]:
        """What pictures compare the network with: controls on shuffled targets, then the null kinds."""
        given = self.controls.items()
        return (*(as_null(*item) for item in given if item[0] != TRUE), *self.kinds)

    def draw(self, kind: Null, number: int = 0) -> Study:
        """Return one draw of a kind, as the findings were compared with it."""
        return draw(self.setting, kind, self.seed, number)

    @cached_property
    def pictured(self) -> Study:
        """The network on the inputs of all pictures: up to 10 000, or as many as the verdicts rest on."""
        inputs = self._pictured_setting.inputs
        return self.study if inputs is self.study.inputs else Study(self.study.network, inputs)

    def pictured_draw(self, kind: Null) -> Study:
        """Return a draw of a kind on the inputs of `pictured`, for a picture beside it."""
        # Every picture shows them: descrambled once instead of once per layer.
        if kind.name not in self._pictured_draws:
            self._pictured_draws[kind.name] = draw(self._pictured_setting, kind, self.seed, 0)
        return self._pictured_draws[kind.name]

    @cached_property
    def _pictured_draws(self) -> dict[str, Study]:
        return {}

    @cached_property
    def _pictured_setting(self) -> Setting:
        x = self.study.inputs
        assert x is not None
        width = sum(linear.n_out for linear in self.study.network.linears[:-1])
        most = max(min(MOST_PICTURED, PICTURED_SIGNALS // width), self.n_null_inputs)
        rows = x if len(x) <= most else x[np.linspace(0, len(x) - 1, most).astype(int)]
        return replace(self.setting, inputs=rows)

    @property
    def layers(self) -> dict[int, Layer]:
        """The layers by their number, counted from 1."""
        links = self.study.links
        return {
            k: Layer(
                k,
                self.study.weights(k),
                self.study.bias(k),
                links[k - 1].before if k <= len(links) else None,
                links[k - 2].after if k > 1 else None,
            )
            for k in range(1, len(links) + 2)
        }

    @property
    def n_null_inputs(self) -> int:
        """Number of inputs on which the findings and all null draws were measured."""
        return len(self.setting.inputs)

    def look_alike(self, layer: int) -> tuple[Null, float, Study]:
        """Return the null or control whose descrambled layer looks most like the trained one.

        Similarity is the correlation of ``|F+ P W P^T F-|`` with one draw of each kind, each link frequency
        scaled to the same energy. It ignores phases of link modes and singular values.

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
            # Scaling a single number would leave only its sign.
            if amplitude.shape[across] == 1:
                return amplitude.ravel()
            size = np.linalg.norm(amplitude, axis=across, keepdims=True)
            scaled: Array = (amplitude / np.where(size > 0, size, 1)).ravel()
            return scaled

        own = shapes(self.pictured)

        def likeness(study: Study) -> float:
            other = shapes(study)
            if np.ptp(own) == 0 or np.ptp(other) == 0:
                return 0.0
            return float(np.corrcoef(own, other)[0, 1])

        draws = [(kind, self.pictured_draw(kind)) for kind in self.counterparts]
        return max(((kind, likeness(study), study) for kind, study in draws), key=lambda d: d[1])

    @cached_property
    def measured(self) -> Study:
        """The network on the inputs that it shares with the nulls."""
        if self.setting.inputs is self.study.inputs:
            return self.study
        return Study(self.study.network, self.setting.inputs)

    def report(
        self,
        path: str | os.PathLike[str],
        files: Sequence[str | os.PathLike[str]] = (),
        *,
        overwrite: bool = False,
    ) -> None:
        """Write one HTML file with the findings, the pictures of every layer and the methods.

        Parameters
        ----------
        path : path
        files : sequence of paths
            Files of the network and the inputs; the methods list their SHA-256.
        overwrite : bool
            Whether a file of this name may be replaced.

        Raises
        ------
        FileExistsError
            If the file is there and may not be replaced.
        MissingExtraError
            Without Jinja2 and Bokeh, the extra "report".
        """
        check_new(path, overwrite)
        from ..report import write_page  # a facade: the page is drawn by the room above

        write_page(self, path, files)

    def _markdown(self) -> str:
        head, *rows = self.table()
        cells = [head, tuple("---" for _ in head), *rows]
        lines = ["# Findings", "", f"{headline(self)}.", ""]
        lines += ["| " + " | ".join(row) + " |" for row in cells]
        lines += ["", *(f"- {finding.sentence}" for finding in ordered(self.findings)), ""]
        lines += ["## Nulls", ""]
        lines += [f"- **{n.name}**: weights: {n.weights}; inputs: {n.inputs}." for n in self.kinds]
        return "\n".join([*lines, ""])

    def save(
        self, folder: str | os.PathLike[str], files: Sequence[str | os.PathLike[str]] = ()
    ) -> None:
        """Write the findings and the descrambled layers to a folder.

        ``findings.npz``, ``report.md``, ``layer1.npz``, ... and ``report.npz``, from which
        ``descrambler report FOLDER`` makes the page; `files` as for :meth:`report`.
        """
        from ..report import record  # a facade, as in `report`

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        write_bytes(target / "report.md", self._markdown().encode())
        record(self, files).save(target / "report.npz")
        write_arrays(target / "findings.npz", SCHEMA, self._arrays())
        for number, layer in self.layers.items():
            np_arrays: dict[str, ArrayLike] = {"weights": layer.weights}
            if layer.bias is not None:
                np_arrays["bias"] = layer.bias
            for side in ("before", "after"):
                result = getattr(layer, side)
                if result is not None:
                    np_arrays[f"{side}.rotation"] = result.rotation.matrix
                    np_arrays[f"{side}.resolved"] = result.resolved
            write_arrays(target / f"layer{number}.npz", SCHEMA, np_arrays)

    def _arrays(self) -> dict[str, ArrayLike]:
        names = (
            *("what", "where", "value", "uncertainty", "unit", "rotation_matters", "threshold"),
            *("margin", "effect", "p", "p_floor", "n_draws", "stability", "detectable"),
            *("strongest", "verdict", "used", "sentence"),
        )
        arrays: dict[str, ArrayLike] = {
            name: np.array([getattr(finding, name) for finding in self.findings]) for name in names
        }
        for null in self.kinds:
            found = [finding.nulls.get(null.name) for finding in self.findings]
            arrays |= columns_of(null.name, found)
        for kind in self.n_controls:
            found = [finding.controls.get(kind) for finding in self.findings]
            arrays |= columns_of(f"controls.{kind}", found)
        return arrays | {"n_nulls": self.n_nulls, "n_null_inputs": self.n_null_inputs}
