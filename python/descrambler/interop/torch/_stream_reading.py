"""What is read from a residual stream: signals, Gram matrices, principal axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._stream_canonical import CanonicalGauge, canonical
from ._stream_gram import grams, rows
from ._stream_parts import Parts, find
from ._stream_spec import Stream
from ._stream_state import check_whole
from ._taps import Forward


class StreamReader:
    """A model and the description of its stream: what can be done without writing."""

    model: Any
    spec: Stream

    def _parts(self) -> Parts:
        return find(self.model, self.spec)

    def gram(
        self,
        batches: Iterable[Any],
        at: Any = None,
        *,
        mask: Any = None,
        forward: Forward | None = None,
    ) -> Any:
        """Return the Gram matrix of the stream, in one pass over the batches.

        Parameters
        ----------
        batches, mask, forward
            As in :func:`capture`.
        at : str or sequence of str, optional
            Where: norms of the stream (see :attr:`points`), whose inputs count; ``*`` stands for any part
            of a name. One name or pattern: one Gram matrix of all that fit. A sequence: a dict, one each.
            None: one of all points.

        Returns
        -------
        Gram or dict of Gram

        Raises
        ------
        ValueError
            If no point has such a name, or the batches do not reach it.
        """
        check_whole(self.model)
        several = at is not None and not isinstance(at, str)
        found = grams(
            self.model,
            self._parts().points(),
            list(at) if several else [at],
            batches,
            mask,
            forward,
        )
        return found if several else found[at]

    def signals(
        self,
        batches: Iterable[Any],
        at: str | None = None,
        *,
        mask: Any = None,
        forward: Forward | None = None,
    ) -> dict[str, Any]:
        """Return the signals of the stream themselves, kept in memory.

        Parameters
        ----------
        batches, mask, forward
            As in :func:`capture`.
        at : str, optional
            Where: a norm of the stream or a pattern, as in :meth:`gram`. None: all points.

        Returns
        -------
        dict of ndarray, shape (m, d)
            By point, one signal per row, in the order of the batches.

        Raises
        ------
        ValueError
            If no point has such a name, or the batches do not reach it.
        """
        check_whole(self.model)
        return rows(self.model, self._parts().points(), at, batches, mask, forward)

    def canonical(
        self,
        batches: Iterable[Any],
        *,
        mask: Any = None,
        forward: Forward | None = None,
        tol: float | None = None,
    ) -> CanonicalGauge:
        """Return the rotation to the principal axes of the stream, each with a positive mean.

        It does not depend on how the model was rotated before: two rotated copies of one model have the
        same weights after ``stream.rotate(stream.canonical(batches))``, in the resolved modes. Nothing is
        written here. A model in less than float64 is copied to float64.

        Parameters
        ----------
        batches, mask, forward
            As in :func:`capture`. The points of the stream count together.
        tol : float, optional
            Largest angle by which rounding may turn a mode that is called resolved. By default 1e-8 for
            weights in float64, else the square root of the rounding of their dtype.

        Returns
        -------
        CanonicalGauge

        Raises
        ------
        ValueError
            If the batches hold no signals, or tol is not positive.
        """
        check_whole(self.model)
        return canonical(self.model, self.spec, batches, mask, forward, tol)
