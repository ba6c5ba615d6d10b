"""Pictures as SVG text: they show without JavaScript, on paper, and in light and dark."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._util.validate import Array
from .._colors import MAGNITUDE, signed

WIDTH, HEIGHT = 420.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 10.0, 8.0, 40.0
ZOOM = 0.1
"""Part of a frequency axis; where all signal lies within it, the axis is logarithmic."""


@dataclass(frozen=True)
class Scale:
    """An axis: its ends, its label, and whether it is logarithmic."""

    low: float
    high: float
    label: str
    log: bool = False

    def place(self, values: Any) -> Array:
        """Where values lie, 0 at the low end, 1 at the high one."""
        v, low, high = np.asarray(values, float), self.low, self.high
        if self.log:
            v, low, high = np.log10(np.maximum(v, low)), np.log10(low), np.log10(high)
        return np.clip((v - low) / ((high - low) or 1.0), 0, 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Values to mark, with their text."""
        if self.log:
            first, last = (
                int(np.ceil(np.log10(self.low) - 1e-9)),
                int(np.floor(np.log10(self.high))),
            )
            step = max(1, -(-(last - first) // 5))
            return [(10.0**k, _power(k)) for k in range(first, last + 1, step)]
        from matplotlib.ticker import MaxNLocator

        # Steps of 1, 2 or 5: the few rows of a small matrix are then marked by whole numbers.
        values = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        inside = [float(v) for v in values if self.low - 1e-9 <= v <= self.high + 1e-9]
        return [(v, f"{v:g}") for v in inside]


def _power(k: int) -> str:
    return f"{10.0**k:g}" if -3 <= k <= 3 else f"1e{k}"


def chart(x: Scale, y: Scale, marks: Sequence[str], title: str) -> str:
    """Return a picture of marks, which lie in the unit square of both scales."""
    inner_w, inner_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    lines = [
        f'<rect x="{LEFT}" y="{TOP}" width="{inner_w}" height="{inner_h}" class="frame"/>',
        *(_tick_x(_x(place), text) for place, text in _placed(x)),
        *(_tick_y(_y(place), text) for place, text in _placed(y)),
        f'<text x="{LEFT + inner_w / 2:.0f}" y="{HEIGHT - 6:.0f}" text-anchor="middle">{_text(x.label)}</text>',
        f'<text transform="translate(13 {TOP + inner_h / 2:.0f}) rotate(-90)" text-anchor="middle">{_text(y.label)}</text>',
    ]
    head = f'<svg class="still" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{_text(title)}" xmlns="http://www.w3.org/2000/svg">'
    return "".join([head, *marks, *lines, "</svg>"])


def _placed(scale: Scale) -> list[tuple[float, str]]:
    return [(float(scale.place(value)), text) for value, text in scale.ticks()]


def _x(place: Any) -> Any:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _y(place: Any) -> Any:
    return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)


def _tick_x(at: float, text: str) -> str:
    # A number at the right end would be cut.
    anchor = "middle" if at < WIDTH - 2 * RIGHT else "end"
    x = min(at, WIDTH - 1) if anchor == "middle" else WIDTH - 1
    return f'<path class="tick" d="M{at:.1f} {HEIGHT - BOTTOM:.0f}v4"/><text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15:.0f}" text-anchor="{anchor}">{_text(text)}</text>'


def _tick_y(at: float, text: str) -> str:
    return f'<path class="tick" d="M{LEFT:.0f} {at:.1f}h-4"/><text x="{LEFT - 6:.0f}" y="{at + 4:.1f}" text-anchor="end">{_text(text)}</text>'


def _text(text: str) -> str:
    return html.escape(str(text))


def line(x: Scale, y: Scale, across: Array, up: Array, kind: str) -> str:
    """Return a curve of a kind that the style sheet knows."""
    return (
        f'<polyline class="curve {kind}" points="{_points(_x(x.place(across)), _y(y.place(up)))}"/>'
    )


def band(x: Scale, y: Scale, across: Array, low: Array, high: Array) -> str:
    """Return the area between two curves."""
    places = _x(x.place(across))
    there, back = _points(places, _y(y.place(high))), _points(places[::-1], _y(y.place(low))[::-1])
    return f'<polygon class="band" points="{there} {back}"/>'


def dots(x: Scale, y: Scale, across: Array, up: Array, kind: str) -> str:
    """Return a dot for each pair of values."""
    pairs = zip(_x(x.place(across)), _y(y.place(up)), strict=True)
    return "".join(
        f'<circle class="dot {kind}" r="2" cx="{a:.1f}" cy="{b:.1f}"/>' for a, b in pairs
    )


def _points(across: Any, up: Any) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))


def image(values: Array, limit: float, *, is_signed: bool = True) -> str:
    """Return a matrix as colors that fill the frame, the first row at the bottom."""
    where = f'x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"'
    return f'<image class="pixels" {where} preserveAspectRatio="none" href="{picture_uri(values, limit, is_signed)}"/>'


def picture_uri(values: Array, limit: float, is_signed: bool = True) -> str:
    """Return a matrix as a PNG in a data URI."""
    import matplotlib

    colors = signed() if is_signed else matplotlib.colormaps[MAGNITUDE]
    low = -limit if is_signed else 0.0
    levels = np.clip(np.rint(255 * (values[::-1] - low) / (limit - low)), 0, 255).astype(np.uint8)
    palette = np.rint(255 * colors(np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)
    return "data:image/png;base64," + base64.b64encode(_png(levels, palette)).decode()


def _png(levels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """Encode palette entries as PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sum_

    height, width = levels.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), levels]).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        chunk(b"IHDR", head),
        chunk(b"PLTE", palette.tobytes()),
        chunk(b"IDAT", zlib.compress(rows, 9)),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def spark(values: Array, *, width: int = 120, height: int = 28, points: int = 60) -> str:
    """Return a small curve without axes, from the least to the largest of its values."""
    v = np.asarray(values, float)
    step = -(-len(v) // points)
    v = v[::step] if step > 1 else v
    low, high = float(v.min()), float(v.max())
    up = height - 2 - (v - low) / ((high - low) or 1.0) * (height - 4)
    across = np.linspace(1, width - 1, max(len(v), 2))[: len(v)]
    return f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true"><polyline points="{_points(across, up)}"/></svg>'


def frequency_scale(frequency: Array, response_db: Array, label: str) -> Scale:
    """Return the axis of a response: logarithmic where what passes lies near the low end."""
    end = float(frequency[-1])
    passed = np.flatnonzero(np.asarray(response_db) > -3)
    if len(frequency) > 8 and float(frequency[passed[-1]]) < ZOOM * end:
        low = float(frequency[1]) / 2
        return Scale(low, end, f"{label}, logarithmic; zero at the left end", True)
    return Scale(float(frequency[0]), end, label)
