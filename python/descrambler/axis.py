"""The meaning of one dimension of a weight matrix: name, unit, range."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Axis"]

EXAMPLE = 'Axis("time", "µs", 0, 2)'


@dataclass(frozen=True)
class Axis:
    """The meaning of one dimension of a weight matrix.

    Attributes
    ----------
    name : str
    unit : str
        Empty for none.
    start : float
        Value of the first entry.
    stop : float, optional
        Value of the last entry, above `start`; by default entries are one apart. Where the values fall
        (4000 to 400 1/cm), give both with a minus sign: -4000 and -400.
    frequency_name, frequency_unit : str
        Name and unit of the Fourier axis; if empty, made from `name` and `unit`.
    ordered : bool
        Whether the order of the entries means something. False for a table of features or several
        signals concatenated: claims that need an order are then not tested.
    """

    name: str
    unit: str = ""
    start: float = 1.0
    stop: float | None = None
    frequency_name: str = ""
    frequency_unit: str = ""
    ordered: bool = True

    def __post_init__(self) -> None:
        self._check()
        if not self.frequency_name:
            # A frequency axis would get a "frequency frequency".
            plain = "frequency" not in self.name
            name = f"{self.name} frequency" if plain else f"reciprocal {self.name}"
            object.__setattr__(self, "frequency_name", name)
        if not self.frequency_unit:
            unit = _inverse(self.unit) if self.unit else "cycles per point"
            object.__setattr__(self, "frequency_unit", unit)

    def _check(self) -> None:
        for key in ("name", "unit", "frequency_name", "frequency_unit"):
            value = getattr(self, key)
            if not isinstance(value, str):
                raise TypeError(f"{key} must be a text, got {value!r}: write {EXAMPLE}")
        for key in ("start", "stop"):
            value = getattr(self, key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
                raise TypeError(f"{key} must be a number, got {value!r}: write {EXAMPLE}")
            if value is not None and not np.isfinite(float(value)):
                raise ValueError(f"{key} must be finite, got {value!r}")
        if not isinstance(self.ordered, bool | np.bool_):
            raise TypeError(f"ordered must be True or False, got {self.ordered!r}")
        if self.stop is not None and not self.stop > self.start:
            fall = f": where the values fall, pass {-self.start:g} and {-self.stop:g}"
            advice = fall if self.stop < self.start else ""
            raise ValueError(f"stop must be above start, got {self.start} and {self.stop}{advice}")

    @property
    def label(self) -> str:
        """Name with unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def frequency_label(self) -> str:
        """Name of the frequency with unit."""
        return f"{self.frequency_name} ({self.frequency_unit})"

    def step(self, n: int) -> float:
        """Distance of neighbors among n entries."""
        if self.stop is None:
            return 1.0
        return (self.stop - self.start) / max(n - 1, 1)

    def positions(self, n: int) -> NDArray[np.floating[Any]]:
        """Values of n entries."""
        return self.start + self.step(n) * np.arange(n)

    def edges(self, n: int) -> tuple[float, float]:
        """Outer edges of n cells that are centered on the entries."""
        step = self.step(n)
        return self.start - step / 2, self.start + (max(n, 2) - 0.5) * step

    def frequency_edges(self, n: int) -> tuple[float, float]:
        """Outer edges of n shifted frequency cells, zero frequency at index n // 2."""
        step = 1 / (n * self.step(n)) if n > 1 else 1.0
        return (-(n // 2) - 0.5) * step, (n - n // 2 - 0.5) * step


def _inverse(unit: str) -> str:
    """Return the unit of frequencies: cm for 1/cm or cm^-1, cm s for 1/(cm s), s/m for m/s."""
    above, *below = (_without_brackets(part) for part in _quotients(unit))
    for power in ("^-1", "⁻¹"):
        if not below and above.endswith(power) and " " not in above:
            return above.removesuffix(power)
    if not below:
        return f"1/({above})" if " " in above else f"1/{above}"
    product = " ".join(below)
    if above in ("1", ""):
        return product
    return f"{product}/({above})" if " " in above else f"{product}/{above}"


def _quotients(unit: str) -> list[str]:
    """Split a unit at the slashes that are not within brackets."""
    parts, depth = [""], 0
    for letter in unit:
        depth += (letter == "(") - (letter == ")")
        if letter == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _without_brackets(part: str) -> str:
    part = part.strip()
    inner = part[1:-1]
    whole = part[:1] == "(" and part[-1:] == ")" and not {"(", ")"} & set(inner)
    return inner if whole else part


def check_axis(name: str, value: object) -> None:
    """Check that a value is an axis, or None."""
    if value is not None and not isinstance(value, Axis):
        raise TypeError(f"{name} must be an Axis, as in {EXAMPLE}, got {type(value).__name__}")


def index_axis(name: str, n: int) -> Axis:
    """Plain numbers 1..n, for a dimension without a physical axis."""
    return Axis(f"{name} index", "", 1, max(n, 2), f"{name} frequency", "cycles per point")
