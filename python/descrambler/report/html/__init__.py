"""The report of an interpretation: one HTML file that needs nothing else."""

from .record import Record, record
from .render import page

__all__ = ["Record", "page", "record"]
