"""The input and output processing of MATLAB's shallow networks.

All numbers are float64 or float32 before anything is computed with them: MATLAB stores whole
numbers in one or two bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightFileError
from ..network._affine import Affine, fold_before
from ..network._layers import Linear
from ._build import Get, blame
from ._series import text

# Affine processing functions and the name of the offset of their outputs.
_AFFINE = {"mapminmax": "ymin", "mapstd": "ymean"}
_MAX_STEPS = 100


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of n are kept; where this is undone, the others are constants.

    Attributes
    ----------
    keep : ndarray of int
        Counted from 0.
    constants : ndarray of shape (n - keep.size,)
        NaN where the file has none.
    """

    n: int
    keep: NDArray[np.intp]
    constants: NDArray[Any]

    def before(self, linear: Linear) -> Linear:
        """Return one layer for the choice of rows and the layer that follows it."""
        if linear.n_in != self.keep.size:
            raise ValueError(f"keeps {self.keep.size} rows, where {linear.n_in} are taken")
        weight = np.zeros((linear.n_out, self.n), linear.weight.dtype)
        weight[:, self.keep] = linear.weight
        return Linear(weight, linear.bias)

    def undone(self) -> Linear:
        """Return the layer that puts the rows back among the constants."""
        weight, bias = np.zeros((self.n, self.keep.size)), np.zeros(self.n)
        weight[self.keep, np.arange(self.keep.size)] = 1
        bias[np.setdiff1d(np.arange(self.n), self.keep)] = self.constants
        return Linear(weight, bias)


@dataclass(frozen=True, eq=False)
class Scaling:
    """``y = gain (x - xoffset) + yoffset``, in float64."""

    gain: NDArray[np.float64]
    xoffset: NDArray[np.float64]
    yoffset: float
    dtype: np.dtype[Any]

    def before(self, linear: Linear) -> Linear:
        """Return one layer for the scaling and the layer that follows it."""
        done = Affine(self.gain, self.yoffset - self.gain * self.xoffset, self.dtype)
        done.check(linear.n_in)
        return fold_before(done, linear)

    def undone(self) -> Affine:
        """Return the inverse map."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return Affine(1 / self.gain, self.xoffset - self.yoffset / self.gain, self.dtype)


Step: TypeAlias = Rows | Scaling


def steps(path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, side: str) -> list[Step]:
    """Return what a network does to its inputs (or undoes at its outputs), in order."""
    pattern = re.compile(re.escape(f"{side}.processFcns") + r"\{(\d+),(\d+)\}")
    places = [(int(m[1]), int(m[2]), m[0]) for key in arrays if (m := pattern.fullmatch(key))]
    if len(places) > _MAX_STEPS:
        raise WeightFileError(f"{path}, {side}: more than {_MAX_STEPS} processing functions")
    found: list[Step] = []
    for row, column, key in sorted(places):
        settings = f"{side}.processSettings{{{row},{column}}}"
        step = _step(path, arrays, get, text(arrays[key]), key, settings)
        found += [] if step is None else [step]
        for field in [field for field in arrays if field.startswith(f"{settings}.")]:
            get(field)  # a function that is known does not use its other fields: xmax, yrange, ...
    return found


def _step(
    path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, name: str, key: str, settings: str
) -> Step | None:
    if _does_nothing(name, arrays, get, settings):
        return None
    with blame(path, settings):
        if name == "removeconstantrows":
            return _rows(arrays, get, settings)
        if name in _AFFINE:
            return _scaling(get, settings, _AFFINE[name])
    raise WeightFileError(f"{path}, {key}: {name!r} is not supported")


def _scaling(get: Get, settings: str, offset: str) -> Scaling:
    gain, xoffset = (get(f"{settings}.{field}").ravel() for field in ("gain", "xoffset"))
    yoffset = get(f"{settings}.{offset}")
    return Scaling(
        gain.astype(np.float64),
        xoffset.astype(np.float64),
        float(yoffset.item()),
        np.result_type(gain, xoffset, yoffset),
    )


def _rows(arrays: Mapping[str, NDArray[Any]], get: Get, settings: str) -> Rows:
    n = int(get(f"{settings}.xrows").item())
    if not 0 < n < 2**24:
        raise ValueError(f"xrows must be a number of rows, got {n}")
    kept = f"{settings}.keep"
    name = kept if kept in arrays else f"{settings}.remove"
    places = get(name).ravel()
    chosen = np.unique(places)
    if places.size != chosen.size or not np.isin(chosen, np.arange(1, n + 1)).all():
        raise ValueError(f"{name} must be different rows from 1 to {n}")
    rows = chosen.astype(np.intp) - 1
    keep = rows if name == kept else np.setdiff1d(np.arange(n), rows)
    names = [f"{settings}.{field}" for field in ("value", "constants")]
    found = next((key for key in names if key in arrays and arrays[key].size), None)
    constants = get(found).ravel() if found else np.full(n - keep.size, np.nan)
    if constants.size != n - keep.size:
        raise ValueError(f"{found} must have {n - keep.size} entries, got {constants.size}")
    if int(get(f"{settings}.yrows").item()) != keep.size:
        raise ValueError(f"yrows must be {keep.size}, the number of rows that stay")
    return Rows(n, keep, constants)


def _does_nothing(name: str, arrays: Mapping[str, NDArray[Any]], get: Get, settings: str) -> bool:
    unchanged = f"{settings}.no_change"
    if unchanged in arrays and arrays[unchanged].size == 1:
        return bool(get(unchanged).item())
    rows = [f"{settings}.{field}" for field in ("xrows", "yrows")]
    return (
        name == "removeconstantrows"
        and all(row in arrays for row in rows)
        and np.array_equal(get(rows[0]), get(rows[1]))
    )
