"""The report of an interpretation: one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..._util.files import write_bytes
from ._compare import compare_page
from ._record import Record, record
from ._render import page

if TYPE_CHECKING:
    from ...evidence._interpretation import Interpretation

__all__ = ["Record", "compare_page", "page", "record", "write_page"]


def write_page(
    interpretation: Interpretation,
    path: str | os.PathLike[str],
    files: Sequence[str | os.PathLike[str]] = (),
) -> None:
    """Write the page of an interpretation; see :meth:`descrambler.Interpretation.report`."""
    write_bytes(path, page(record(interpretation, files)).encode())
