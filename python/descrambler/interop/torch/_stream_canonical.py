"""A basis of a residual stream that does not depend on how the model was rotated before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._signals.gram import Gram
from ..._util.tables import Tabulated
from ..._util.threads import computes
from ..._util.validate import require_extra
from ._stream_batches import cast_batch
from ._stream_exact import Casts
from ._stream_gram import grams
from ._stream_group import after_ones
from ._stream_parts import find
from ._stream_spec import Stream
from ._stream_verify import as_float64
from ._taps import Forward, several

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

# How far rounding in all layers may move second moments, in units of sqrt(n) eps times their trace.
LAYERS = 64
# A mean must exceed its uncertainty as many times to settle a sign.
CLEAR = 100
TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class CanonicalGauge(Tabulated):
    """A rotation of a stream to its principal axes, as :meth:`ResidualStream.canonical` returns it.

    Pass it to :meth:`ResidualStream.rotate`. The same model rotated before gives the same weights after it,
    where modes are resolved.

    Attributes
    ----------
    matrix : ndarray, shape (n, n)
        P; n is d, or d - 1 where LayerNorms stay: then in the space orthogonal to the vector of ones.
    moments : ndarray, shape (n,)
        Mean square of the stream along each mode, descending.
    errors : ndarray, shape (n,)
        Angle by which rounding may turn each mode: large where mean squares are nearly equal.
    resolved : ndarray of bool, shape (n,)
        Whether the angle is at most `tol`.
    sign_resolved : ndarray of bool, shape (n,)
        Whether the mean of the stream settles the sign (positive).
    count : int
        Number of signals.
    tol : float
    """

    matrix: Any
    moments: Any
    errors: Any
    resolved: Any
    sign_resolved: Any
    count: int
    tol: float

    @property
    def unresolved(self) -> tuple[tuple[int, int], ...]:
        """First and last mode of each run of unresolved ones, counted from 0: degenerate subspaces."""
        edges = np.flatnonzero(np.diff(np.r_[False, ~self.resolved, False]))
        return tuple((int(a), int(b) - 1) for a, b in edges.reshape(-1, 2))

    def table(self) -> list[tuple[str, str]]:
        """Return the status table: names and values, as printed."""
        runs = ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in self.unresolved) or "none"
        share = float(self.moments[self.resolved].sum() / self.moments.sum())
        return [
            ("signals", str(self.count)),
            ("resolved modes", f"{int(self.resolved.sum())} of {len(self.moments)}, {share:.6f} of the square"),
            ("resolved signs", f"{int(self.sign_resolved.sum())} of {len(self.moments)}"),
            ("unresolved modes", runs),
            ("largest angle", f"{self._largest():.1e} of the resolved modes (at most {self.tol:.1e})"),
        ]  # fmt: skip

    def _largest(self) -> float:
        return float(self.errors[self.resolved].max(initial=0))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self.resolved.sum())} of {len(self.moments)} modes resolved)"


def canonical(
    model: Any,
    spec: Stream,
    batches: Iterable[Any],
    mask: Any,
    forward: Forward | None,
    tol: float | None,
) -> CanonicalGauge:
    """Return the principal axes of a stream over all its points, with positive means.

    All arithmetic is in float64, on a copy of models of less.
    """
    parts = find(model, spec)
    dtypes = {weight.parameter.dtype for weight in parts.weights()}
    eps = max(torch.finfo(dtype).eps for dtype in dtypes)
    if tol is None:
        tol = TOLERANCE if dtypes == {torch.float64} else eps**0.5
    if not tol > 0:
        raise ValueError(f"tol must be positive, got {tol!r}")
    if dtypes != {torch.float64}:
        model = as_float64(model)
        parts = find(model, spec)
    parameter = parts.writers[0].parameter
    given = (cast_batch(batch, parameter) for batch in several(batches))
    with (
        torch.autocast(parameter.device.type, enabled=False),
        Casts(True, model.buffers()),
    ):
        gram = grams(model, parts.points(), [None], given, mask, forward)[None]
    return _gauge(gram, parts.centers, eps, tol)


@computes
def _gauge(gram: Gram, centers: bool, eps: float, tol: float) -> CanonicalGauge:
    assert gram.mean is not None and gram.count is not None
    matrix, mean = gram.matrix / gram.count, gram.mean
    if centers:
        basis = after_ones(len(mean)).numpy()
        matrix, mean = basis @ matrix @ basis.T, basis @ mean
    values, vectors = np.linalg.eigh(matrix)
    values, modes = np.maximum(values[::-1], 0), vectors[:, ::-1].T
    rounding = LAYERS * len(values) ** 0.5 * eps
    apart = np.r_[np.inf, np.abs(np.diff(values)), np.inf]
    with np.errstate(divide="ignore"):
        errors = rounding * values.sum() / np.minimum(apart[:-1], apart[1:])
    resolved = errors <= tol
    along = modes @ mean
    uncertain = CLEAR * (errors + rounding) * float(np.linalg.norm(mean))
    signs = np.where(along < 0, -1.0, 1.0)
    return CanonicalGauge(
        matrix=np.ascontiguousarray(signs[:, None] * modes),
        moments=values,
        errors=errors,
        resolved=resolved,
        sign_resolved=resolved & (np.abs(along) > uncertain),
        count=gram.count,
        tol=tol,
    )
