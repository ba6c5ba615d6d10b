"""The tables of detectors and nulls in ``docs/nulls.md``: ``python -m benchmarks.detector_tables``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from descrambler.evidence.detectors import (
    DETECTORS,
    Detector,
    kernel_order,
    reference_inverse,
    rejection,
)
from descrambler.evidence.nulls import KINDS

ALL = (reference_inverse(None), kernel_order(None), *DETECTORS, rejection(None, None))


def markdown() -> str:
    """Return the tables as Markdown, made from the code that the package runs."""
    parts = [_kinds(), _detectors(), _which(), _reasons()]
    return "\n\n".join("\n".join(part) for part in parts)


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def _kinds() -> Iterator[str]:
    rows = ((null.name, null.weights, null.inputs, null.purpose) for null in KINDS)
    return _rows(
        ("null", "whose weights", "whose inputs", "explanation that this null rules out"), rows
    )


def _detectors() -> Iterator[str]:
    head = ("detector", "what is measured", "P matters", "counts", "least distance from every null")
    return _rows(head, map(_detector, ALL))


def _detector(detector: Detector) -> tuple[str, ...]:
    unit = f" {detector.unit}" if detector.unit else ""
    sign = "≤" if detector.tail == "lower" else "≥"
    matters = "yes" if detector.rotation_matters else "no"
    least = detector.floor_text or f"{sign} {detector.floor:g}{unit}"
    if detector.tail == "both":
        least += " without sign"
    return detector.name, detector.formula, matters, least, f"{detector.margin:g}{unit}"


def _numbered() -> dict[str, str]:
    """Return a letter for each reason, in order of appearance."""
    reasons = dict.fromkeys(d.reason_against(null) for d in ALL for null in KINDS)
    reasons.pop("", None)
    return dict(zip(reasons, "abcdefghijklmnop", strict=False))


def _which() -> Iterator[str]:
    letters = _numbered()
    rows = (
        (d.name, *(letters.get(d.reason_against(null), "applies") for null in KINDS)) for d in ALL
    )
    return _rows(("detector", *(null.name for null in KINDS)), rows)


def _reasons() -> Iterator[str]:
    for reason, letter in _numbered().items():
        yield f"- {letter}: {reason}."


if __name__ == "__main__":
    print(markdown())
