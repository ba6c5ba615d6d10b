"""Leading modes of the signals at one tap, from far fewer operations than their Gram matrix takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._signals.leading_modes import Leading
from ..._util.validate import require_extra
from ._grams import BLOCK, GramSum, check_traced

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

# Vectors of the subspace, for each mode that is wanted.
SPARE = 2
# Signals, for each unit, of which the Gram matrix is formed to choose the subspace.
FIRST = 8
# Steps of subspace iteration on that matrix.
STEPS = 8


class LeadingSum:
    """Rayleigh-Ritz pairs of the Gram matrix B = S^T S in a subspace that the first signals choose.

    Of the first ``8 n`` signals the Gram matrix is formed; Q, (n, 2 rank), spans its leading eigenvectors.
    From then on ``S^T (S Q)`` is summed, ``8 n rank`` operations a signal in place of ``n^2``. With the
    first matrix times Q that is B Q, of which Ritz pairs and their residuals follow.
    """

    def __init__(self, side: str, rank: int) -> None:
        self._side, self._rank = side, rank
        self._first = GramSum()
        self._right: torch.Tensor | None = None

    def add(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Take in the signals of one call."""
        rows = inputs if self._side == "input" else outputs
        if self._right is None:
            self._first.add(rows)
            if self._first.count >= FIRST * rows.shape[1]:
                self._right = self._chosen(rows.device)
            return
        # Ordinary tensors, in full precision, whatever mode the model runs in.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(rows.device.type, enabled=False),
        ):
            for block in torch.split(rows.detach(), BLOCK):
                self._add(block.to(self._right.dtype), self._right)

    def _chosen(self, device: torch.device) -> torch.Tensor:
        """Q, by subspace iteration from a random start."""
        matrix, self._sum = self._first.finish()
        n, self._count = len(matrix), self._first.count
        with torch.inference_mode(False), torch.no_grad():
            seed = torch.Generator().manual_seed(0)
            start = torch.randn(n, min(n, SPARE * self._rank), generator=seed, dtype=torch.float64)
            q = start.to(matrix)
            for _ in range(STEPS):
                q = torch.linalg.qr(matrix @ q)[0]
            # Rounded before the products, so that these are of one and the same Q.
            right = q.to(device, self._first.product_dtype)
            self._product = matrix @ right.to(matrix)
            self._square = matrix.trace()
            self._any = (self._square != 0).to(device)
        return right

    def _add(self, block: torch.Tensor, right: torch.Tensor) -> None:
        self._product += (block.T @ (block @ right)).to(self._product)
        self._square += torch.linalg.vector_norm(block, dim=1).to(self._product).square().sum()
        self._sum += block.sum(dim=0).to(self._sum)
        self._any |= block.any()
        self._count += len(block)

    def finish(self) -> Leading:
        """Return twice as many pairs as were asked for; the further ones are less exact."""
        if self._first.count == 0:
            raise ValueError("the mask must leave at least one signal, got none")
        if self._right is None:
            self._right = self._chosen(torch.device("cpu"))
        check_traced(self._square, self._any, self._right.dtype)
        product, total = (t.cpu().numpy() for t in (self._product, self._sum))
        if not (np.isfinite(product).all() and np.isfinite(total).all()):
            raise ValueError("signals must be finite, got NaN or infinity among them")
        right = self._right.to("cpu", torch.float64).numpy()
        # Orthonormal to all digits: B Q R^-1 is the product of the new basis.
        basis, triangle = np.linalg.qr(right)
        product = np.linalg.solve(triangle.T, product.T).T
        small = basis.T @ product
        values, y = np.linalg.eigh((small + small.T) / 2)
        values, y = np.maximum(values[::-1], 0), y[:, ::-1]
        modes = basis @ y
        rounding = torch.finfo(self._right.dtype).eps * values[0]
        residuals = np.linalg.norm(product @ y - modes * values, axis=0) + rounding
        gaps = values - values[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.nan_to_num(np.fmin(residuals, residuals**2 / gaps))
        return Leading(
            values=values,
            modes=np.ascontiguousarray(modes.T),
            residuals=residuals,
            errors=errors + rounding,
            trace=float(self._square),
            mean=total / self._count,
            count=self._count,
        )
