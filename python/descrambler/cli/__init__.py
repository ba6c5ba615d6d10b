"""The command line: one module for each command."""

from ._main import main

__all__ = ["main"]
