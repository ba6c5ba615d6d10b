"""Results in the files of DeerAnalysis and DeerLab, so that programs can be compared."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.files import documented, read_bytes, write_bytes
from .._util.validate import real_array
from ._distances import DistanceDistribution
from ._text_traces import read_table
from ._traces import Trace

Vector = NDArray[np.float64]

_MAX_BYTES = 2**26
_NEAREST = 8.0  # nm: an axis that begins beyond is in Angstrom
_NORMAL = 1.959964  # standard deviations in a 95 % interval


class OtherDistribution(NamedTuple):
    """A distance distribution from another program.

    Attributes
    ----------
    distance : ndarray, shape (n,)
        In Angstrom.
    density : ndarray, shape (n,)
        In 1/Angstrom; its integral is 1.
    lower, upper : ndarray, shape (n,), or None
        95 % interval, if the file has one.
    """

    distance: Vector
    density: Vector
    lower: Vector | None
    upper: Vector | None


class OtherBackground(NamedTuple):
    """A trace and its background from another program.

    Attributes
    ----------
    time : ndarray, shape (n,)
        In microseconds.
    signal, background : ndarray, shape (n,)
        The background at the level of the unmodulated part.
    """

    time: Vector
    signal: Vector
    background: Vector


def load_distribution(
    path: str | os.PathLike[str], distance: ArrayLike | None = None
) -> OtherDistribution:
    """Read a distance distribution from a file of DeerAnalysis or DeerLab.

    Parameters
    ----------
    path : path-like
        ``*_distr.dat`` of DeerAnalysis (distance in nanometers, density and, perhaps, lower and upper
        limit), or a fit that DeerLab saved as ``.json``.
    distance : array_like, optional
        Distances in Angstrom, for DeerLab's files, which do not hold them.

    Returns
    -------
    OtherDistribution

    Raises
    ------
    ValueError
        If the file is something else or damaged, or `distance` is missing.
    OSError
        If it cannot be opened.
    """
    content = read_bytes(path, _MAX_BYTES)
    with documented(path, "is not a distance distribution"):
        if Path(path).suffix.lower() == ".json":
            return _from_deerlab(json.loads(content), distance)
        table = read_table(content)
        if table.shape[1] not in (2, 4):
            raise ValueError(f"it must have 2 or 4 columns, found {table.shape[1]}")
        limits = table[:, 2:].T if table.shape[1] == 4 else (None, None)
        if table[0, 0] > _NEAREST:
            raise ValueError(f"its distances must be in nanometers, got {table[0, 0]:g} at first")
        return _normalized(10 * table[:, 0], table[:, 1], *limits)


def load_background(path: str | os.PathLike[str]) -> OtherBackground:
    """Read trace and background from ``*_bckg.dat`` of DeerAnalysis.

    Raises
    ------
    ValueError
        If the file is something else or damaged.
    OSError
        If it cannot be opened.
    """
    content = read_bytes(path, _MAX_BYTES)
    with documented(path, "is not a background"):
        table = read_table(content)
        if table.shape[1] not in (3, 4):
            raise ValueError(f"it must have 3 or 4 columns, found {table.shape[1]}")
        if not (np.diff(table[:, 0]) > 0).all():
            raise ValueError("its times must be ascending")
        return OtherBackground(*table[:, :3].T)


def save_deeranalysis(
    trace: Trace, result: DistanceDistribution, stem: str | os.PathLike[str]
) -> list[Path]:
    """Write a result as the text files of DeerAnalysis.

    Parameters
    ----------
    trace : Trace
        Prepared.
    result : DistanceDistribution
    stem : path-like
        Folder and beginning of the names.

    Returns
    -------
    list of Path
        ``*_distr.dat`` (distance in nanometers, density in 1/nm, with a calibration lower and upper
        95 % limit), ``*_bckg.dat`` (time in microseconds, trace, background) and ``*_fit.dat`` (time,
        form factor, fit).
    """
    fit = result.fit
    limits = [] if result.lower is None or result.upper is None else [result.lower, result.upper]
    signal = trace.signal / fit.scale
    tables = {
        "distr": [result.distance / 10, *(10 * part for part in (result.density, *limits))],
        "bckg": [trace.time, signal, (1 - fit.depth) * fit.background],
        "fit": [trace.time, signal / fit.background, fit.form_factor],
    }
    stem = Path(stem)
    paths = []
    for name, columns in tables.items():
        lines = ("".join(f"{value:16.7e}" for value in row) for row in zip(*columns, strict=True))
        paths.append(stem.with_name(f"{stem.name}_{name}.dat"))
        write_bytes(paths[-1], "".join(line + "\n" for line in lines).encode())
    return paths


def save_deerlab(trace: Trace, result: DistanceDistribution, path: str | os.PathLike[str]) -> None:
    """Write a result as a fit that ``deerlab.load`` reads.

    It has DeerLab's names (P in 1/nm, mod, model, bg, y), and ``r`` (nm) and ``t`` (microseconds) besides.
    The 95 % band is in ``P_lower`` and ``P_upper``, for it is no covariance.
    """
    fit = result.fit
    content: dict[str, Any] = {
        "P": 10 * result.density,
        "r": result.distance / 10,
        "t": trace.time,
        "y": trace.signal / fit.scale,
        "model": fit.model / fit.scale,
        "bg": (1 - fit.depth) * fit.background,
    }
    if result.lower is not None and result.upper is not None:
        content |= {"P_lower": 10 * result.lower, "P_upper": 10 * result.upper}
    arrays = {
        name: {"__ndarray__": True, "data": value.tolist(), "dtype": "float64"}
        for name, value in content.items()
    }
    head = {"__format__": "deerlab", "__version__": "1.2.0", "__object_class__": "FitResult"}
    summary = f"descrambler, {len(result.members)} networks"
    known = {"mod": fit.depth, "noiselvl": fit.rms, "paramlist": ["mod", "P"], "_summary": summary}
    write_bytes(path, (json.dumps(head | known | arrays) + "\n").encode())


def _from_deerlab(content: Any, distance: ArrayLike | None) -> OtherDistribution:
    if not isinstance(content, dict) or content.get("__format__") != "deerlab":
        raise ValueError("it is no file of DeerLab")
    if content.get("__object_class__") != "FitResult":
        raise ValueError(f"it must hold a FitResult, got {content.get('__object_class__')}")
    density = _array(content, "P")
    if distance is not None:
        axis = real_array("distance", distance, 1).astype(np.float64)
    elif "r" in content:
        axis = 10 * _array(content, "r")
    else:
        raise ValueError("it has no distances, as DeerLab saves none: give distance=, in Angstrom")
    if axis.shape != density.shape:
        raise ValueError(f"distance must have {density.size} points as P, got {axis.size}")
    lower = upper = None
    known = content.get("PUncert") or {}
    if "P_lower" in content:
        lower, upper = _array(content, "P_lower"), _array(content, "P_upper")
    elif known.get("type") == "moment":
        middle, deviation = _array(known, "mean"), _array(known, "std")
        lower = np.maximum(middle - _NORMAL * deviation, 0)
        upper = middle + _NORMAL * deviation
    return _normalized(axis, density, lower, upper)


def _array(content: Mapping[str, Any], name: str) -> Vector:
    value = content[name]
    return real_array(name, value["data"] if isinstance(value, dict) else value, 1).astype(float)


def _normalized(
    distance: Vector, density: Vector, lower: Vector | None, upper: Vector | None
) -> OtherDistribution:
    if distance.size < 2 or not (np.diff(distance) > 0).all() or distance[0] <= 0:
        raise ValueError("its distances must be positive and ascending")
    area = float(np.sum((density[1:] + density[:-1]) * np.diff(distance)) / 2)
    if not area > 0:
        raise ValueError("its densities must have a positive integral")
    limits = (None if part is None else part / area for part in (lower, upper))
    return OtherDistribution(distance, density / area, *limits)
