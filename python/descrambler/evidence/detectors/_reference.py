"""Inverse of a known map: how much of it the network's mean Jacobian is."""

from __future__ import annotations

from functools import cached_property, partial

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from ..._util.validate import Array, matrix, own_unit
from ...analysis import kernel_match
from ...network._network import Network
from .._study import Study
from ._detector import WORLDS_OF_INPUTS, Axes, Detector, whole
from ._parts import Part, component

# Widths of the Tikhonov filter, by the largest singular value.
WIDTHS = 10.0 ** -np.arange(0, 5.01, 0.25)
INVERSE = "inverse of the reference"


class Reference:
    """A map from outputs to inputs, ``inputs = K outputs``, and its regularized inverses.

    Parameters
    ----------
    kernel : ndarray, shape (n_in, n_out)
    """

    def __init__(self, kernel: Array) -> None:
        self.kernel = own_unit(kernel.astype(np.float64, copy=False))[0]

    @cached_property
    def _factors(self) -> tuple[Array, Array, Array]:
        u, s, vt = scipy.linalg.svd(self.kernel, full_matrices=False, check_finite=False)
        kept = s > 1e-14 * s[0]
        s = s[kept] / s[0]
        return u[:, kept], s / (np.square(s) + np.square(WIDTHS)[:, None]), vt[kept]

    def correlation(self, jacobian: Array) -> float:
        """Largest correlation ``<R, J> / (|R| |J|)`` over the inverses, NaN for a Jacobian of zeros."""
        u, filters, vt = self._factors
        j = own_unit(jacobian)[0]
        norm = np.linalg.norm(j)
        if norm == 0:
            return float("nan")
        shared = np.einsum("ij,ij->i", vt @ j, u.T)
        return float((filters @ shared / np.linalg.norm(filters, axis=1)).max() / norm)

    def nearest(self, jacobian: Array) -> Array:
        """Return the inverse that a Jacobian correlates with most."""
        u, filters, vt = self._factors
        shared = np.einsum("ij,ij->i", vt @ jacobian, u.T)
        f = filters[np.argmax(filters @ shared / np.linalg.norm(filters, axis=1))]
        inverse: Array = (vt.T * f) @ u.T
        return inverse

    @cached_property
    def transposed(self) -> Reference | None:
        """The same with both axes exchanged, for a square map."""
        n_in, n_out = self.kernel.shape
        return Reference(np.ascontiguousarray(self.kernel.T)) if n_in == n_out else None


def reference_matrix(value: ArrayLike, network: Network) -> Array:
    """Return a reference map as a matrix that fits the network.

    Raises
    ------
    TypeError, ValueError
        If it is not a finite real matrix of shape (n_in, n_out), or all zero.
    """
    kernel = matrix("reference", value)
    shape = network.n_in, network.n_out
    if kernel.shape != shape:
        hint = ": give its transpose" if kernel.shape == shape[::-1] else ""
        raise ValueError(
            f"reference must have shape (n_in, n_out) = {shape}, inputs = reference @ outputs, got "
            f"{kernel.shape}{hint}"
        )
    if not kernel.any():
        raise ValueError("reference must not be all zero")
    return kernel


def reference_inverse(kernel: Array | None) -> Detector:
    """Return the detector of a regularized inverse of a map, of shape (n_in, n_out), in the Jacobian.

    Without a map it is not testable.
    """
    reference = None if kernel is None else Reference(kernel)
    return Detector(
        name=INVERSE,
        formula=(
            "largest correlation of the mean Jacobian with a Tikhonov inverse V diag(s / (s² + a²)) Uᵀ of the reference "
            "map U diag(s) Vᵀ, over a = s_max 10^-(0, 1/4, ... 5)"
        ),
        unit="",
        rotation_matters=False,
        places=whole,
        statistic=partial(_inverse, reference),
        tail="upper",
        floor=0.1,
        margin=0.1,
        sentence=partial(_inverse_sentence, reference),
        missing="no reference map was given",
        part=partial(_inverse_part, reference),
        scale="correlation",
        stand_in=WORLDS_OF_INPUTS,
    )


def _inverse_part(reference: Reference | None, study: Study, layer: int) -> Part | None:
    return None if reference is None else component(study, reference.nearest(study.jacobian))


def _inverse(reference: Reference | None, study: Study, layer: int) -> float:
    return float("nan") if reference is None else reference.correlation(study.jacobian)


def _inverse_sentence(reference: Reference | None, study: Study, layer: int, axes: Axes) -> str:
    assert reference is not None
    value = reference.correlation(study.jacobian)
    text = (
        "The mean Jacobian is a regularized inverse of the reference map, with a correlation of "
        f"{value:.2f}"
    )
    if reference.transposed is not None:
        other = reference.transposed.correlation(study.jacobian)
        if other > value:
            text += (
                f" (the transposed reference has {other:.2f}: is its shape (n_in, n_out), inputs = reference "
                "@ outputs?)"
            )
    return text


def kernel_order(kernel: Array | None) -> Detector:
    """Return the detector of matching places: the part of a map that excites each output most.

    Without a map it is not testable.
    """
    return Detector(
        name="kernel match",
        formula=(
            "rank correlation of an output's place with the column of the reference map that excites it most, by the mean "
            "Jacobian"
        ),
        unit="",
        rotation_matters=False,
        places=whole,
        statistic=partial(_match, kernel),
        tail="upper",
        floor=0.6,
        margin=0.3,
        sentence=partial(_match_sentence, kernel),
        missing="no reference map was given, or one column of it excites all outputs most",
        along=("outputs",),
        scale="correlation",
        stand_in=WORLDS_OF_INPUTS,
    )


def _match(kernel: Array | None, study: Study, layer: int) -> float:
    if kernel is None:
        return float("nan")
    place = np.arange(float(kernel.shape[1]))
    return kernel_match(study.jacobian, kernel, place).rank_correlation


def _match_sentence(kernel: Array | None, study: Study, layer: int, axes: Axes) -> str:
    return (
        f"The {axes.outputs.name} whose column of the reference map excites an output most goes with the output's own "
        f"(rank correlation {_match(kernel, study, layer):+.2f})"
    )
