"""One linear layer captured from a larger model, as a study that detectors can measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._util.validate import Array
from ..axis import Axis, index_axis
from ..criteria import Smoothness
from ..network._layers import Linear
from ..network._network import Network
from ._checks import LEAST_DISTINCT
from ._claims import Claim
from ._study import Link, Study
from .detectors import Axes, Detector
from .detectors._filters import NOTCH
from .detectors._maps import JOINT_ORDER, LINK_MAP, LINK_ORDER
from .detectors._structure import DIAGONAL, LOW_RANK, ORTHOGONAL, POLYNOMIALS, SINUSOIDS

if TYPE_CHECKING:
    from ..interop.torch import DescrambledLinear

Layers: TypeAlias = "Mapping[str, DescrambledLinear]"

LEAST_ENTRIES = 20
"""Outputs from which on five leading output vectors can be told from any others."""

ROUNDING = 1e-12
"""Part of the squares of signals below which what is left beside their mean is rounding."""

AT_INPUT = LOW_RANK, ORTHOGONAL, SINUSOIDS, DIAGONAL
WITH_OUTPUTS = LINK_ORDER, JOINT_ORDER, POLYNOMIALS
AT_OUTPUT = (LOW_RANK,)
WITH_INPUTS = NOTCH, LINK_MAP


class Place(int):
    """Number of a layer that prints as the tap it was captured at."""

    tap = ""

    def __format__(self, spec: str) -> str:
        return self.tap

    def __str__(self) -> str:
        return self.tap


class Captured:
    """A layer at one tap: its weights between a link dimension that was captured and a plain side.

    Parameters
    ----------
    tap : str
    layer : DescrambledLinear
    """

    def __init__(self, tap: str, layer: DescrambledLinear) -> None:
        result = layer.result
        if not isinstance(result.criterion, Smoothness) or result.gram is None:
            raise ValueError(
                f"layers must be descrambled for smoothness, got {result.criterion} at {tap}"
            )
        self.tap, self.result, self.at_input = tap, result, layer.side == "input"
        back = result.rotation.inverse()
        kernel = _numbers(layer.weight)
        self.is_matrix = kernel.ndim == 2
        turned = _unrolled(kernel, self.at_input)
        weight = back.right(turned) if self.at_input else back.left(turned)
        has_bias = layer.bias is not None and (self.is_matrix or not self.at_input)
        bias = _numbers(layer.bias) if has_bias else None
        if bias is not None and not self.at_input:
            bias = back.left(bias[:, None])[:, 0]
        linear = Linear(weight, bias)
        # The other layer only stands where the model goes on.
        rest = Linear(np.ones((linear.n_in, 1) if self.at_input else (1, linear.n_out)))
        self.network = Network([rest, linear] if self.at_input else [linear, rest])
        self.place = Place(2 if self.at_input else 1)
        self.place.tap = tap

    @property
    def linear(self) -> Linear:
        """The layer itself."""
        return self.network.linear(self.place)

    @cached_property
    def size(self) -> float:
        """Norm of the weights."""
        return float(np.linalg.norm(self.linear.weight))

    def study(self, network: Network | None = None) -> Study:
        """Return the layer, or another in its place, on the signals that were captured."""
        study = Study(network or self.network, None)
        link = Link(1, (np.empty((0, 0)),) * 2, study.raw(2))
        vars(link).update(before=self.result, after=self.result)
        object.__setattr__(study, "links", (link,))
        object.__setattr__(study, "silent", frozenset())
        return study

    def axes(self, inputs: Axis | None, outputs: Axis | None) -> Axes:
        """Return the axes of the layer: plain numbers for a side that is captured or not named."""
        n_out, n_in = self.linear.weight.shape
        return Axes(
            index_axis("input", n_in) if inputs is None or self.at_input else inputs,
            index_axis("output", n_out) if outputs is None or not self.at_input else outputs,
        )

    def claims(
        self, detectors: Sequence[Detector] | None, inputs: Axis | None, outputs: Axis | None
    ) -> list[Claim]:
        """Return the claims that can be tested at the tap; fewer if the other side has no axis."""
        if self.at_input:
            applies = (*AT_INPUT, *(WITH_OUTPUTS if outputs is not None and self.is_matrix else ()))
        else:
            applies = (*AT_OUTPUT, *(WITH_INPUTS if inputs is not None and self.is_matrix else ()))
        chosen = [d for d in applies if detectors is None or d in detectors]
        axes = self.axes(inputs, outputs)
        return [self._claim(d, axes) for d in chosen if d is not DIAGONAL or self._is_square()]

    def _is_square(self) -> bool:
        return self.linear.n_in == self.linear.n_out

    def _claim(self, detector: Detector, axes: Axes) -> Claim:
        barred = detector.barred_by(axes) or detector.needs(self.network, self.place)
        if detector is POLYNOMIALS and self.linear.n_out < LEAST_ENTRIES:
            barred = (
                f"it needs at least {LEAST_ENTRIES} outputs, and {self.tap} has {self.linear.n_out}"
            )
        if not self.linear.weight.any():
            barred = f"all weights at {self.tap} are zero"
        if not barred and detector.rotation_matters:
            barred = self._unresolved()
        return Claim(detector, self.place, detector.floor_at(self.network, self.place), barred)

    def _unresolved(self) -> str:
        """Return why the signals do not determine P at all; empty if they may."""
        gram, needed = self.result.gram, max(self.result.rotation.n, LEAST_DISTINCT)
        if gram is None or gram.count is None:
            return ""
        if gram.count < needed:
            return (
                f"it depends on P and needs at least {needed} signals, one per unit and no fewer than "
                f"{LEAST_DISTINCT}, but {gram.count} were captured"
            )
        if gram.mean is not None and not gram.centered:
            whole = float(np.trace(gram.matrix))
            if whole - gram.count * float(gram.mean @ gram.mean) <= ROUNDING * whole:
                return f"the signals at {self.tap} do not vary (dead or saturated units, or the same input)"
        return ""


def captured(name: str, layers: Layers) -> dict[str, Captured]:
    """Return layers as studies can use them, by tap.

    Raises
    ------
    TypeError, ValueError
        If they are not what `ds.interop.torch.descramble_module` returns for smoothness.
    """
    if not isinstance(layers, Mapping) or not all(hasattr(x, "result") for x in layers.values()):
        raise TypeError(
            f"{name} must be what ds.interop.torch.descramble_module returns, layers by tap, got "
            f"{type(layers).__name__}"
        )
    if not layers:
        raise ValueError(f"{name} must hold at least one layer")
    return {tap: Captured(tap, layer) for tap, layer in layers.items()}


def check_alike(name: str, own: Mapping[str, Captured], other: Mapping[str, Captured]) -> None:
    """Check that other layers stand at the same taps and have the same shapes."""
    if own.keys() != other.keys():
        raise ValueError(f"{name} must have the taps {sorted(own)}, got {sorted(other)}")
    for tap, layer in own.items():
        shape, got = layer.linear.weight.shape, other[tap].linear.weight.shape
        if shape != got:
            raise ValueError(f"{name} must have weights of shape {shape} at {tap}, got {got}")


def check_distinct(
    own: Mapping[str, Captured], controls: Mapping[str, Sequence[Mapping[str, Captured]]]
) -> None:
    """Check that no control has the weights of the model that is judged, or of another control."""
    seen = [("the model that is judged", own)]
    for kind, models in controls.items():
        for number, model in enumerate(models):
            name = f"controls[{kind!r}][{number}]"
            for other, before in seen:
                if all(_same(model[tap], before[tap]) for tap in own):
                    raise ValueError(
                        f"{name} has the weights of {other}: each control needs a start of its own"
                    )
            seen.append((name, model))


def _same(one: Captured, other: Captured) -> bool:
    """Whether weights are the same but for the rounding of their rotations."""
    a, b = one.linear.weight, other.linear.weight
    least = 1e-6 * one.size
    # The sizes tell nearly all apart.
    return abs(one.size - other.size) <= least and float(np.linalg.norm(a - b)) <= least


def _unrolled(kernel: Array, at_input: bool) -> Array:
    """Return the weights as a matrix: of a convolution, its captured channels against everything else."""
    if at_input:
        return np.moveaxis(kernel, 1, -1).reshape(-1, kernel.shape[1])
    return kernel.reshape(len(kernel), -1)


def _numbers(values: Any) -> Array:
    """Tensor as an array in float64."""
    array: Array = np.asarray(values.detach().to("cpu").double())
    return array
