"""Progress of a long computation: a bar, or the user's own function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias


class Step(NamedTuple):
    """The argument of a function given as `progress`.

    Attributes
    ----------
    done : int
        Steps done so far.
    total : int or None
        All steps; None where their number is not known beforehand.
    label : str
        What was done last.
    """

    done: int
    total: int | None
    label: str


Progress: TypeAlias = bool | Callable[[Step], object]
"""True for a bar, or a function that is called with a :class:`Step` after each step."""


def _bar() -> Any:
    """Return the bar of this place: a widget in a notebook that has widgets, else one of text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without widgets is no fault
        from tqdm.auto import tqdm  # takes a while to load
    return tqdm


@contextmanager
def reporting(
    progress: Progress, total: int | None, unit: str
) -> Iterator[Callable[[int, str], None]]:
    """Yield a function to call with the number of steps done and a word on the last one.

    Parameters
    ----------
    progress : bool or callable
        True shows a bar; a callable is called with a :class:`Step`.
    total : int or None
        Number of steps, None where it is not known.
    unit : str
        What a step is, for the bar.

    Raises
    ------
    TypeError
        If progress is neither.
    """
    if callable(progress):
        told = progress

        def tell(done: int, label: str) -> None:
            told(Step(done, total, label))

        yield tell
    elif progress is False:
        yield lambda done, label: None
    elif progress is True:
        with _bar()(total=total, unit=unit) as bar:

            def show(done: int, label: str) -> None:
                bar.set_postfix_str(label, refresh=False)
                bar.update(done - bar.n)

            yield show
    else:
        raise TypeError(f"progress must be True, False or a function of a step, got {progress!r}")
