"""Results as their files hold them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._geometry.checks import excess
from .._geometry.rotation import Rotation, from_arrays
from .._util.files import documented, read_arrays
from .._util.validate import Array, real_array, scalar
from .outcome import Status
from .result import FIGURES, SCHEMA, Descrambling, with_figures

_ROTATIONS = ({"rotation"}, {"rotation.span", "rotation.core"})
# Figures that may be infinite, where nothing is known; and that may be negative, as values of a criterion.
_INFINITE = ("bound", "gap", "excess_bound", "shortfall")
_SIGNED = ("bound", "objective", "initial_objective")
_TEXTS = ("criterion", "method", "gauge", "status", "message", "optimality")


def load_result(path: str | os.PathLike[str]) -> Descrambling:
    """Read what `Descrambling.save` wrote, as .npz, in this version or an older one.

    Parameters
    ----------
    path : path

    Returns
    -------
    Descrambling
        With the figures as they were found when it was saved. Its criterion is a name, and what needs
        the signals (`gram`, `starts`; `gradient_norm` and others of an old file) is not there.

    Raises
    ------
    ValueError
        If the file is something else or damaged; the message has the file.
    OSError
        If it cannot be opened.
    """
    arrays = read_arrays(path, SCHEMA)
    with documented(path, "is not a saved result"):
        return _result(arrays)


def _result(arrays: Mapping[str, NDArray[Any]]) -> Descrambling:
    rotation = checked_rotation(arrays)
    _ = arrays["objective"]  # every version kept it
    texts: dict[str, Any] = {name: scalar(arrays, name, "U") for name in _TEXTS}
    optimality = texts.pop("optimality")
    figures = {name: _number(arrays, name) for name in FIGURES if name in arrays}
    if "maximize" in figures:
        figures["maximize"] = bool(figures["maximize"])
    if optimality == "certified" and figures.get("gap", 0.0) > 1e-9:
        raise ValueError(f"its gap is {figures['gap']:.1e}, which is not certified")
    history = real_array("history", arrays["history"], 1, finite=False)
    known: dict[str, Any] = {"n_iter": max(len(history) - 1, 0), "n_eval": 0}
    known |= {name: int(_number(arrays, name)) for name in ("n_iter", "n_eval") if name in arrays}
    known |= {name: _number(arrays, name) for name in ("bound", "rounding", "seconds")}
    result = Descrambling(
        rotation=rotation,
        **known | texts | {"status": Status(texts["status"])},
        resolved=mask(arrays, "resolved", rotation.n),
        sign_resolved=mask(arrays, "sign_resolved", rotation.n),
        history=history,
        eigenvalues=_eigenvalues(arrays, rotation) if "eigenvalues" in arrays else None,
    )
    return with_figures(result, figures | {"optimality": optimality})


def _number(arrays: Mapping[str, NDArray[Any]], name: str) -> float:
    """Return one of the figures: bounds may be infinite, and only values of a criterion negative."""
    value = float(scalar(arrays, name, "fiub"))
    wrong = math.isnan(value) or (math.isinf(value) and name not in _INFINITE)
    if wrong or (value < 0 and name not in _SIGNED):
        raise ValueError(f"its {name} is {value}")
    return value


def _eigenvalues(arrays: Mapping[str, NDArray[Any]], rotation: Rotation) -> Array:
    """Return all eigenvalues, or with a rank those of the modes that were placed."""
    values = real_array("eigenvalues", arrays["eigenvalues"], 1)
    if len(values) not in (rotation.n, rotation.rank):
        raise ValueError(f"it has {len(values)} eigenvalues for {rotation.n} units")
    if (values < 0).any() or (np.diff(values) > 0).any():
        raise ValueError("its eigenvalues do not descend from the largest towards 0")
    return values


def checked_rotation(arrays: Mapping[str, NDArray[Any]]) -> Rotation:
    """Return the rotation, checked to be one. The first files did not have its rank."""
    names = [name for name in arrays if name.startswith("rotation")]
    known = {name: real_array(name, arrays[name], 2) for name in names}
    widths = {array.shape[-1] for array in known.values()}
    square = known.get("rotation", known.get("rotation.core"))
    if square is None or square.shape[0] != square.shape[1] or len(widths) != 1:
        raise ValueError(
            "its rotation has an invalid shape: not (n, n), nor span (n, w) with core (w, w)"
        )
    n = len(known.get("rotation.span", square))
    rank = int(scalar(arrays, "rank", "iu")) if "rank" in arrays else n
    if not (known.keys() in _ROTATIONS and 0 < len(square) <= n and 0 <= rank <= n):
        raise ValueError(f"its rotation has an invalid shape or rank: {n} units, rank {rank}")
    # Both factors must have orthonormal columns.
    error = max(excess(a.T) for a in known.values())
    if error > np.sqrt(np.finfo(square.dtype).eps):
        raise ValueError(f"its rotation is not orthogonal, P P^T - 1 reaches {error:.2g}")
    rotation = from_arrays({**known, "rank": np.array(rank)})
    stored = scalar(arrays, "determinant", "i") if "determinant" in arrays else 1
    if rotation.determinant() != stored:
        raise ValueError(f"the determinant of its rotation is not {stored}: a row has changed sign")
    return rotation


def mask(arrays: Mapping[str, NDArray[Any]], name: str, n: int) -> Array:
    """Return the truth values of n modes."""
    if arrays[name].dtype != np.bool_ or arrays[name].shape != (n,):
        raise TypeError(f"{name} must be {n} booleans")
    mask: Array = arrays[name]
    return mask
