"""Results as their files hold them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._geometry.rotation import Rotation, from_arrays
from .._util.files import read_arrays
from .._util.validate import Array, real_array
from .result import FIGURES, SCHEMA, Descrambling, with_figures
from .status import Status

_ROTATIONS = ({"rotation"}, {"rotation.span", "rotation.core"})
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
    try:
        return _result(arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{Path(path)} is not a saved result: {error}") from error


def _result(arrays: Mapping[str, NDArray[Any]]) -> Descrambling:
    rotation = _rotation(arrays)
    _ = arrays["objective"]  # every version kept it
    texts: dict[str, Any] = {name: _text(arrays, name) for name in _TEXTS}
    optimality = texts.pop("optimality")
    figures = {name: float(arrays[name]) for name in FIGURES if name in arrays}
    if "maximize" in figures:
        figures["maximize"] = bool(figures["maximize"])
    history = real_array("history", arrays["history"], 1, finite=False)
    result = Descrambling(
        rotation=rotation,
        bound=float(arrays["bound"]),
        rounding=float(arrays["rounding"]),
        seconds=float(arrays["seconds"]),
        **texts | {"status": Status(texts["status"])},
        resolved=_mask(arrays, "resolved", rotation.n),
        sign_resolved=_mask(arrays, "sign_resolved", rotation.n),
        n_iter=int(arrays.get("n_iter", np.array(max(len(history) - 1, 0)))),
        n_eval=int(arrays.get("n_eval", np.array(0))),
        history=history,
        eigenvalues=(
            real_array("eigenvalues", arrays["eigenvalues"], 1) if "eigenvalues" in arrays else None
        ),
    )
    return with_figures(result, figures | {"optimality": optimality})


def _rotation(arrays: Mapping[str, NDArray[Any]]) -> Rotation:
    """Return the rotation, checked to be one. The first files did not have its rank."""
    names = [name for name in arrays if name.startswith("rotation")]
    known = {name: real_array(name, arrays[name], 2) for name in names}
    widths = {array.shape[-1] for array in known.values()}
    square = known.get("rotation", known.get("rotation.core"))
    if square is None or square.shape[0] != square.shape[1] or len(widths) != 1:
        raise ValueError("its rotation has no shape of one")
    n = len(known.get("rotation.span", square))
    rank = int(arrays["rank"]) if "rank" in arrays else n
    if not (known.keys() in _ROTATIONS and 0 < len(square) <= n and 0 <= rank <= n):
        raise ValueError("its rotation has no shape of one")
    # Of both factors, the columns are orthonormal.
    error = max(np.abs(a.T @ a - np.eye(a.shape[1])).max() for a in known.values())
    if error > np.sqrt(np.finfo(square.dtype).eps):
        raise ValueError(f"its rotation is not orthogonal, P P^T - 1 reaches {error:.2g}")
    return from_arrays({**known, "rank": np.array(rank)})


def _text(arrays: Mapping[str, NDArray[Any]], name: str) -> str:
    if arrays[name].dtype.kind != "U" or arrays[name].ndim:
        raise TypeError(f"{name} must be text")
    return str(arrays[name])


def _mask(arrays: Mapping[str, NDArray[Any]], name: str, n: int) -> Array:
    if arrays[name].dtype != np.bool_ or arrays[name].shape != (n,):
        raise TypeError(f"{name} must be {n} booleans")
    mask: Array = arrays[name]
    return mask
