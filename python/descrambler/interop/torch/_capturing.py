"""Collecting signals while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..._util.validate import choice, require_extra
from ._grams import Keeper, PlainGram, Signals, WideOutputGram, has_cheap_gram
from ._taps import Forward, call, evaluating, named, resolve, several

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")


class Capture:
    """Context manager that collects the signals at taps of a model while it runs.

    The model is not changed: forward hooks collect the signals, and are removed when the context is left.
    Entered again, it continues.

    Parameters
    ----------
    model : nn.Module
    layers : str or sequence of str
        Taps, such as ``"encoder.layer.*.output.dense:input"``.
    keep : {"gram", "signals"}
        What to keep: Gram matrix, mean and number (float64, formed on the signals' device; memory O(n^2)), or
        the signals themselves.

    Attributes
    ----------
    taps : tuple of str
        Names of all taps, patterns resolved.
    mask : Tensor or None
        Which signals of the coming calls count, such as the tokens that are not padding: nonzero where
        they do, of the signals' shape without its last axis. None, as at first, where all do.

    Raises
    ------
    TypeError, ValueError
        If a tap is not a linear layer of the model, or a side is not "input" or "output".

    Examples
    --------
    >>> import torch, descrambler as ds
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> with ds.interop.torch.Capture(model, ["0:output", "2:input"]) as captured:
    ...     y = model(torch.randn(100, 4))
    >>> captured.result()["2:input"].count
    100
    """

    def __init__(
        self,
        model: torch.nn.Module,
        layers: str | Sequence[str],
        *,
        keep: str = "gram",
    ) -> None:
        choice("keep", keep, ("gram", "signals"))
        self.mask: torch.Tensor | None = None
        self._modules = resolve(model, [layers] if isinstance(layers, str) else layers)
        self.taps = tuple(self._modules)
        self._keepers = {tap: self._keeper(keep, tap) for tap in self.taps}
        self._seen: set[str] = set()
        self._hooks = ExitStack()

    def __enter__(self) -> Capture:
        with ExitStack() as hooks:
            for tap, module in self._modules.items():
                handle = module.register_forward_hook(partial(self._look, tap), with_kwargs=True)
                hooks.callback(handle.remove)
            self._hooks = hooks.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hooks.close()

    def _keeper(self, keep: str, tap: str) -> Keeper:
        module, side = self._modules[tap], tap.rpartition(":")[2]
        if keep == "signals":
            return Signals(side)
        return WideOutputGram(module) if has_cheap_gram(module, side) else PlainGram(side)

    def _look(
        self, tap: str, module: torch.nn.Module, args: Any, kwargs: Any, output: torch.Tensor
    ) -> None:
        inputs = args[0] if args else kwargs["input"]
        if isinstance(module, torch.nn.Conv1d):
            # Channels last, as units are; both sides of a convolution may differ in length.
            tapped = inputs if tap.endswith(":input") else output
            inputs = output = tapped.movedim(-2, -1)
        rows = self._rows(tap, inputs), self._rows(tap, output)
        named(tap, partial(self._keepers[tap].add, *rows))
        self._seen.add(tap)

    def _rows(self, tap: str, values: torch.Tensor) -> torch.Tensor:
        rows = values.detach().reshape(-1, values.shape[-1])
        if self.mask is None:
            return rows
        if self.mask.shape != values.shape[:-1]:
            raise ValueError(
                f"mask must have the shape {tuple(values.shape[:-1])} of the signals at {tap}, "
                f"got {tuple(self.mask.shape)}"
            )
        return rows[self.mask.to(rows.device).reshape(-1) != 0]

    def result(self) -> dict[str, Any]:
        """Return what was collected, by tap: a :class:`descrambler.Gram` or a tensor (m, n).

        Raises
        ------
        ValueError
            If a tap saw no signals, or signals that are not finite.
        """
        for tap in self.taps:
            if tap not in self._seen:
                raise ValueError(
                    f"no signals passed at {tap}: the model ran without calling this module "
                    "(fused attention and models compiled before the capture do so), or not at all"
                )
        return {tap: named(tap, keeper.finish) for tap, keeper in self._keepers.items()}


def capture(
    model: torch.nn.Module,
    batches: Iterable[Any],
    layers: str | Sequence[str],
    *,
    mask: str | Callable[[Any], torch.Tensor] | None = None,
    keep: str = "gram",
    forward: Forward | None = None,
) -> dict[str, Any]:
    """Run a model over batches and collect the signals at its taps.

    The model runs in evaluation mode and without gradients; it is left in the mode it was in.

    Parameters
    ----------
    model : nn.Module
    batches : iterable
        What the model takes, on its device: tensors, tuples of positional or mappings of keyword arguments.
        If batches are pairs (inputs, targets), a model with one argument gets the inputs.
    layers : str or sequence of str
        Taps; see :class:`Capture`.
    mask : str or callable, optional
        Which signals count: the key of the mask in each batch (``"attention_mask"``), or a function from a
        batch to its mask.
    keep : {"gram", "signals"}
        See :class:`Capture`.
    forward : callable, optional
        ``forward(model, batch)`` in place of calling the model with the batch.

    Returns
    -------
    dict
        By tap: a :class:`descrambler.Gram` or a tensor of shape (m, n).

    Raises
    ------
    TypeError, ValueError
        As :class:`Capture`; if a tap saw no signals, or signals that are not finite.
    """
    find = (lambda batch: batch[mask]) if isinstance(mask, str) else mask
    with Capture(model, layers, keep=keep) as captured, evaluating(model):
        for batch in several(batches):
            captured.mask = None if find is None else find(batch)
            (forward or call)(model, batch)
    return captured.result()
