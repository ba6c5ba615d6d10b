"""The signals kept at one tap of a PyTorch model, or their Gram matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeGuard

from ..._signals.gram import Gram
from ..._signals.sums import check_not_vanished
from ..._util.validate import require_extra
from ._devices import cast, home

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

# Rows whose products may be summed in float32 before they enter the float64 sum.
BLOCK = 1024
# Up to this many units float64 products cost little: on a processor, and elsewhere.
FEW, FEW_ELSEWHERE = 2048, 512
# Bound for the error of float32 products, in units of the trace.
FLOAT32_ERROR = 1e-6
# Columns of the upper triangle that are in work at a time: matrix products, yet hardly more than half.
WIDTH = 256


class Keeper(Protocol):
    """Takes what one call of a linear layer takes and gives, signals in rows."""

    def add(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Take in the signals of one call, (m, n_in) and (m, n_out)."""

    def finish(self) -> Gram | torch.Tensor:
        """Return what was kept."""


class GramSum:
    """Running Gram matrix and sum of rows, on the device where the rows are.

    Rows of more than `FEW` units that are not float64 are multiplied in float32, at most `BLOCK` of them
    at a time, and these products summed in float64: errors of a few 1e-7 of sqrt(b_ii b_jj), which
    the Gram matrix states as its uncertainty. All else
    is float64, as it is where float32 products may be rounded to less
    (``torch.set_float32_matmul_precision``).
    """

    def __init__(self, exact: bool = False) -> None:
        self.count = 0
        self.product_dtype = torch.float64
        self._exact = exact or torch.get_float32_matmul_precision() != "highest"
        self._pending = 0
        self._partial: torch.Tensor | None = None

    def add(self, rows: torch.Tensor) -> None:
        """Take in rows, shape (m, n), m >= 0."""
        # Ordinary tensors, in full precision, whatever mode the model runs in.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(rows.device.type, enabled=False),
        ):
            self.product_dtype = self._dtype_of(rows)
            for block in torch.split(rows.detach(), BLOCK):
                self._add(block.to(self.product_dtype))

    def _dtype_of(self, rows: torch.Tensor) -> torch.dtype:
        if rows.device.type == "mps":
            return torch.float32
        few = FEW if rows.device.type == "cpu" else FEW_ELSEWHERE
        exact = self._exact or rows.dtype == torch.float64 or rows.shape[1] <= few
        return torch.float64 if exact else torch.float32

    def _add(self, rows: torch.Tensor) -> None:
        n = rows.shape[1]
        if self._partial is None:
            place = home(rows.device)
            self._partial = torch.zeros(n, n, dtype=rows.dtype, device=rows.device)
            self._total = torch.zeros(n, n, dtype=torch.float64, device=place)
            self._sum = torch.zeros(n, dtype=torch.float64, device=place)
            self._any = torch.zeros((), dtype=torch.bool, device=rows.device)
        if self._pending + len(rows) > BLOCK:
            self._flush()
        for start in range(0, n, WIDTH):
            columns = slice(start, start + WIDTH)
            self._partial[columns, start:].addmm_(rows[:, columns].T, rows[:, start:])
        self._sum += cast(rows.sum(dim=0), self._sum)
        self._any |= rows.any()
        self._pending += len(rows)
        self.count += len(rows)

    def _flush(self) -> None:
        assert self._partial is not None
        self._total += self._partial.to(self._total.device)
        self._partial.zero_()
        self._pending = 0

    def finish(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return Gram matrix (n, n) and sum (n,), both float64."""
        with torch.inference_mode(False), torch.no_grad():
            self._flush()
            upper = self._total.triu()
            check_traced(upper.trace(), self._any, self.product_dtype)
            return upper + upper.triu(1).T, self._sum.clone()


def check_traced(trace: torch.Tensor, any_signal: torch.Tensor, dtype: torch.dtype) -> None:
    """Check that signals which are not zero have squares with all the digits of a dtype."""
    name = "float64" if dtype == torch.float64 else "float32"
    check_not_vanished(float(trace), bool(any_signal), name)


def _as_gram(matrix: torch.Tensor, total: torch.Tensor, count: int, dtype: torch.dtype) -> Gram:
    if count == 0:
        raise ValueError("the mask must leave at least one signal, got none")
    if not torch.isfinite(matrix).all():
        raise ValueError("signals must be finite, got NaN or infinity among them")
    lost = 0.0 if dtype == torch.float64 else FLOAT32_ERROR * float(matrix.trace())
    mean = (total / count).cpu().numpy()
    return Gram(matrix.cpu().numpy(), mean, count, uncertainty=lost)


class PlainGram:
    """Gram matrix of a layer's inputs or outputs."""

    def __init__(self, side: str) -> None:
        self._side = side
        self._sum = GramSum()

    def add(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Take in the signals of one call."""
        self._sum.add(inputs if self._side == "input" else outputs)

    def seen(self) -> bool:
        """Whether any signals came."""
        return self._sum.count > 0

    def finish(self) -> Gram:
        """Return the Gram matrix of all."""
        return _as_gram(*self._sum.finish(), self._sum.count, self._sum.product_dtype)


class WideOutputGram:
    """Gram matrix of the outputs of a linear layer that has more outputs than inputs.

    For z = W x + b: ``W B W^T + (W s) b^T + b (W s)^T + m b b^T``, with the Gram matrix B, the sum s and
    the number m of the inputs: fewer operations by (n_out / n_in)^2.
    """

    def __init__(self, module: torch.nn.Linear) -> None:
        self._module = module
        self._sum = GramSum(exact=True)
        with torch.inference_mode(False), torch.no_grad():
            self._weight = module.weight.detach().clone()
            self._any = torch.zeros((), dtype=torch.bool, device=module.weight.device)

    def add(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Take in the inputs of one call."""
        self._sum.add(inputs)
        with torch.inference_mode(False), torch.no_grad():
            self._any |= outputs.detach().any()

    def finish(self) -> Gram:
        """Return the Gram matrix of all outputs."""
        if not torch.equal(self._weight, self._module.weight):
            raise ValueError(
                "weights must stay the same while their outputs are collected, and they changed; "
                "capture before or after a step of training, or keep='signals'"
            )
        matrix, total = self._sum.finish()
        with torch.inference_mode(False), torch.no_grad():
            weight, count = cast(self._weight, matrix), self._sum.count
            matrix, total = weight @ matrix @ weight.T, weight @ total
            if self._module.bias is not None:
                bias = cast(self._module.bias, matrix)
                cross = torch.outer(total, bias)
                matrix += cross + cross.T + count * torch.outer(bias, bias)
                total = total + count * bias
            check_traced(matrix.trace(), self._any, matrix.dtype)
            return _as_gram((matrix + matrix.T) / 2, total, count, self._sum.product_dtype)


class Signals:
    """The inputs or outputs themselves, on their device and in their dtype."""

    def __init__(self, side: str) -> None:
        self._side = side
        self._parts: list[torch.Tensor] = []

    def add(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Copy the signals of one call."""
        with torch.inference_mode(False), torch.no_grad():
            self._parts.append((inputs if self._side == "input" else outputs).detach().clone())

    def finish(self) -> torch.Tensor:
        """Return all signals in rows."""
        return torch.cat(self._parts)


def has_cheap_gram(module: torch.nn.Module, side: str) -> TypeGuard[torch.nn.Linear]:
    """Whether the Gram matrix of a layer's outputs follows from that of its fewer inputs."""
    # A half-precision layer rounds its outputs visibly.
    if side == "input" or not isinstance(module, torch.nn.Linear) or not is_plain(module):
        return False
    full = module.weight.dtype in (torch.float32, torch.float64)
    return full and module.out_features > module.in_features


def is_plain(module: torch.nn.Linear) -> bool:
    """Whether nothing can make a layer give other outputs than W x + b: no subclass, no hook."""
    hooks = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
    return type(module) is torch.nn.Linear and not hooks
