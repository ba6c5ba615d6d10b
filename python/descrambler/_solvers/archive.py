"""Results as their files hold them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._geometry.rotation import Rotation, from_arrays
from .._util.files import read_arrays
from .._util.validate import Array, real_array
from .result import SCHEMA

_ROTATIONS = ({"rotation"}, {"rotation.span", "rotation.core"})
_TEXTS = ("criterion", "method", "gauge", "status", "message", "optimality")


@dataclass(frozen=True, eq=False)
class SavedResult:
    """What `Descrambling.save` wrote: the rotation, and the figures as they were found then.

    Attributes
    ----------
    rotation : Rotation
        P in SO(n).
    criterion, method, gauge, status, message, optimality : str
    objective, bound, rounding, seconds : float
    gap : float or None
        None if the file is of a version that did not keep it.
    resolved, sign_resolved : ndarray of bool, shape (n,)
    history : ndarray
    eigenvalues : ndarray or None
        Eigenvalues of the Gram matrix, descending.
    """

    rotation: Rotation
    criterion: str
    method: str
    gauge: str
    status: str
    message: str
    optimality: str
    objective: float
    bound: float
    rounding: float
    seconds: float
    gap: float | None
    resolved: NDArray[np.bool_]
    sign_resolved: NDArray[np.bool_]
    history: Array
    eigenvalues: Array | None

    def transform(self, signals: ArrayLike) -> Array:
        """Descrambled signals S P^T, shape (m, n), of signals in rows, shape (m, n)."""
        return self.rotation.right(signals)

    def __str__(self) -> str:
        n = self.rotation.n
        gap = "" if self.gap is None else f", gap {self.gap:.1e}"
        rows = [
            ("criterion", self.criterion),
            ("units", str(n)),
            ("method", self.method),
            ("status", f"{self.status}: {self.message}"),
            ("objective", f"{self.objective:.8g}"),
            ("bound", f"{self.bound:.8g} ({self.optimality}{gap})"),
            ("resolved modes", f"{int(self.resolved.sum())} of {n}"),
            ("resolved signs", f"{int(self.sign_resolved.sum())} of {n}"),
            ("gauge", self.gauge),
            ("time", f"{self.seconds:.3g} s"),
        ]
        return "\n".join(["Saved result", *(f"  {name:<14}  {value}" for name, value in rows)])


def load_result(path: str | os.PathLike[str]) -> SavedResult:
    """Read what `Descrambling.save` wrote, as .npz, in this version or an older one.

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


def _result(arrays: Mapping[str, NDArray[Any]]) -> SavedResult:
    rotation = _rotation(arrays)
    numbers = ("objective", "bound", "rounding", "seconds")
    known: dict[str, Any] = {name: _text(arrays, name) for name in _TEXTS}
    known |= {name: float(arrays[name]) for name in numbers}
    return SavedResult(
        rotation,
        **known,
        gap=float(arrays["gap"]) if "gap" in arrays else None,
        resolved=_mask(arrays, "resolved", rotation.n),
        sign_resolved=_mask(arrays, "sign_resolved", rotation.n),
        history=real_array("history", arrays["history"], 1, finite=False),
        eigenvalues=(
            real_array("eigenvalues", arrays["eigenvalues"], 1) if "eigenvalues" in arrays else None
        ),
    )


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


def _mask(arrays: Mapping[str, NDArray[Any]], name: str, n: int) -> NDArray[np.bool_]:
    if arrays[name].dtype != np.bool_ or arrays[name].shape != (n,):
        raise TypeError(f"{name} must be {n} booleans")
    return arrays[name]
