"""Refuse sub-interpreters, before anything compiled is imported that would wait there for ever."""

from __future__ import annotations

import importlib


def check() -> None:
    """Raise ImportError in a sub-interpreter, where the extensions of SciPy do not work either."""
    for name in ("_interpreters", "_xxsubinterpreters"):  # from Python 3.13 on, and before
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        if interpreters.get_current() != interpreters.get_main():
            raise ImportError(
                "descrambler cannot be imported in a sub-interpreter: import it in the main one"
            )
        return


check()
