"""The table in Markdown, CSV and JSON, and the page that is made of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from .measure import Row

HEADER = (
    "| threads | case | ours | theirs | value | target | met | note |\n"
    "|---|---|---|---|---|---|---|---|"
)


class Line(NamedTuple):
    """A row, and where it was measured."""

    section: str
    threads: int
    row: Row


def markdown(line: Line) -> str:
    """Return one line of the table."""
    row = line.row
    met = {True: "yes", False: "**no**", None: ""}[row.met]
    cells = (
        str(line.threads),
        row.case,
        _timed(row.ours, row.ours_seconds, row.ours_arrived),
        _timed(row.theirs, row.theirs_seconds, row.theirs_arrived),
        "" if row.value is None else f"{'' if row.theirs_arrived else '< '}{row.value:.3g}",
        "" if row.limit is None else f"<= {row.limit:.3g}",
        met,
        row.note,
    )
    return f"| {' | '.join(cells)} |"


def _timed(name: str, seconds: float | None, arrived: bool) -> str:
    if seconds is None:
        return name
    time = f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
    return f"{name} {'' if arrived else '> '}{time}"


def traces(lines: Sequence[Line]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return gaps against time of the two smallest problems of 8 decades, one thread: by problem and method."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for line in lines:
        if line.row.trace and line.threads == 1 and "8 decades" in line.row.case:
            found.setdefault(f"n = {line.row.n}", {})[line.row.theirs] = line.row.trace
    return dict(list(found.items())[:2])


def summary(lines: Sequence[Line]) -> str:
    """Say how many targets are met, and list those that are not."""
    judged = [line for line in lines if line.row.met is not None]
    missed = [line for line in judged if not line.row.met]
    text = f"{len(judged) - len(missed)} of {len(judged)} targets met."
    if missed:
        text += " Missed:\n\n" + "\n".join([HEADER, *map(markdown, missed)])
    return text


def comma_separated(lines: Sequence[Line]) -> str:
    """Return the rows as CSV."""
    stream = io.StringIO()
    fields = [name for name in Row.__dataclass_fields__ if name != "trace"] + ["met"]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["section", "threads", *fields])
    for section, threads, row in lines:
        writer.writerow([section, threads, *(getattr(row, name) for name in fields)])
    return stream.getvalue()


def as_json(lines: Sequence[Line], machine: Mapping[str, str]) -> str:
    """Return machine, rows and traces as JSON."""
    rows = [
        {"section": section, "threads": threads, **asdict(row), "met": row.met}
        for section, threads, row in lines
    ]
    return json.dumps({"machine": dict(machine), "rows": rows}, indent=1)


def page(
    lines: Sequence[Line],
    machine: Mapping[str, str],
    about: Mapping[str, tuple[str, str]],
    pictures: Mapping[str, str],
    command: str,
) -> str:
    """Return the page: machine, targets missed, and each section with its tables.

    Parameters
    ----------
    lines, machine
    about : mapping of str to (str, str)
        Title and explanation of each section.
    pictures : mapping of str to str
        File name and caption.
    command : str
        What made it.
    """
    text = [
        "# All measurements\n",
        f"Written by `{command}`. Every benchmark asserts its answer before it is timed; candidates run in turn "
        'in one process. Times are medians; "value" is ours / theirs (the median of the ratios of neighbors) unless the case names another quantity.\n',
        "| machine | |\n|---|---|",
        *(f"| {name} | {value} |" for name, value in machine.items()),
        f"\n{summary(lines)}\n",
        *(f"![{caption}]({name})\n\n{caption}\n" for name, caption in pictures.items()),
    ]
    for section, (title, explanation) in about.items():
        rows = [markdown(line) for line in lines if line.section == section]
        if rows:
            text += [f"## {title}\n", f"{explanation}\n", HEADER, *rows, ""]
    return "\n".join(text)
