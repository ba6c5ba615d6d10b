"""The input of a solver: known signals, a criterion, and their C++ evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _core as core
from .._geometry.link_basis import LinkBasis
from .._signals.gram import Gram
from .._signals.leading_modes import Leading
from .._signals.sources import Source
from ..criteria import Criterion, Smoothness
from ..criteria._forms import Data, QuadraticForm
from .operators import Streamed


@dataclass(frozen=True, eq=False)
class Problem:
    """Signals and criterion of one solve.

    Attributes
    ----------
    criterion : Criterion
    second : Gram, Streamed or Leading
        What is known of the second moments.
    source : Source or None
        The signals, where they can be read again.
    form : QuadraticForm or None
        The criterion as a quadratic form of P, if it is one.
    dtype : type
        Precision of the rotation that is returned.
    """

    criterion: Criterion
    second: Gram | Streamed | Leading
    source: Source | None
    form: QuadraticForm | None
    dtype: type[np.floating[Any]]

    @property
    def n(self) -> int:
        """Number of units."""
        return self.second.n

    @cached_property
    def basis(self) -> LinkBasis:
        """Modes of A, in the order in which they take the principal components; of -A to maximize."""
        if isinstance(self.criterion, Smoothness):
            return self.criterion.basis(self.n)
        assert self.form is not None
        return (self.form * (-1 if self.form.maximize else 1)).basis(self.n)

    @cached_property
    def data(self) -> Data:
        """Gram matrix, with the signals themselves where the criterion needs them."""
        assert isinstance(self.second, Gram)
        whole = self.source is not None and self.criterion.needs_signals
        return Data(self.second, self.source.whole() if whole and self.source else None)


class Objective:
    """A criterion in C++, with its sense and the unit of its values.

    Parameters
    ----------
    make : callable
        Returns the criterion, which keeps storage of its own, and the unit. Called once for every
        thread, and in the worker that a start is sent to.
    maximize : bool
    """

    def __init__(
        self, make: Callable[[], tuple[core.Criterion, float]], maximize: bool = False
    ) -> None:
        self.make, self.maximize = make, maximize
        self.kernel, self.unit = make()

    def __reduce__(self) -> tuple[Any, ...]:
        return Objective, (self.make, self.maximize)

    def again(self) -> Objective:
        """Return the same objective with storage of its own, for another thread."""
        make, arguments = self.__reduce__()
        again: Objective = make(*arguments)
        return again
