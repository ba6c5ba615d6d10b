"""Many DEERNets of one shape, trained at once: one batched product in place of many small ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float32]


class BatchedLearner:
    """Stacked weights of independent networks, under Adam, with the gradients written out.

    Linear layers without biases, tanh between them, logistic at the end, mean squared error: each
    network learns as by `descrambler.deer.train`, up to rounding.

    Parameters
    ----------
    starts : sequence of sequences of ndarray
        First weights: for each network one array of shape (n_out, n_in) per layer.
    batch : int
        Samples per step and network.
    weight_decay : float
    """

    def __init__(
        self, starts: Sequence[Sequence[Array]], batch: int, weight_decay: float = 0.0
    ) -> None:
        self._weights = [torch.from_numpy(np.stack(layer)) for layer in zip(*starts, strict=True)]
        self._gradients = [torch.zeros_like(weight) for weight in self._weights]
        self._first = [torch.zeros_like(weight) for weight in self._weights]
        self._second = [torch.zeros_like(weight) for weight in self._weights]
        self._steps = [torch.tensor(0.0) for _ in self._weights]
        self._decay = weight_decay
        widths = [weight.shape[1] for weight in self._weights]
        self._signals = [torch.empty(len(starts), batch, width) for width in widths]
        self._slopes = [torch.empty(len(starts), batch, width) for width in widths]

    def step(self, inputs: torch.Tensor, targets: torch.Tensor, rate: float) -> torch.Tensor:
        """Take one step on inputs (networks, batch, points); return output minus target before it.

        The result is a buffer that the next step overwrites.
        """
        signal = inputs
        for weight, after in zip(self._weights, self._signals, strict=True):
            torch.bmm(signal, weight.transpose(1, 2), out=after)
            signal = after.sigmoid_() if weight is self._weights[-1] else after.tanh_()
        output = self._signals[-1]
        error = output - targets
        self._descend(inputs, error)
        for count in self._steps:
            count += 1
        torch._fused_adam_(
            self._weights, self._gradients, self._first, self._second, [], self._steps,
            lr=rate, beta1=0.9, beta2=0.999, weight_decay=self._decay, eps=1e-8,
            amsgrad=False, maximize=False,
        )  # fmt: skip
        return error

    def _descend(self, inputs: torch.Tensor, error: torch.Tensor) -> None:
        """Write the gradients of the mean squared error."""
        backward = torch.ops.aten
        scale = 2 / error[0].numel()
        slope = self._slopes[-1]
        backward.sigmoid_backward.grad_input(error, self._signals[-1], grad_input=slope)
        for k in reversed(range(len(self._weights))):
            below = self._signals[k - 1] if k else inputs
            gradient = self._gradients[k]
            torch.baddbmm(gradient, slope.transpose(1, 2), below, beta=0, alpha=scale, out=gradient)
            if k:
                torch.bmm(slope, self._weights[k], out=self._slopes[k - 1])
                slope = self._slopes[k - 1]
                backward.tanh_backward.grad_input(slope, below, grad_input=slope)

    def weights(self, network: int) -> list[Array]:
        """Return copies of the weights of one network."""
        return [weight[network].numpy().copy() for weight in self._weights]

    def arrays(self) -> dict[str, Array]:
        """Return copies of all that changes, by name."""
        return {name: tensor.numpy().copy() for name, tensor in self._tensors()}

    def restore(self, arrays: Mapping[str, Array], step: int) -> None:
        """Go back to what `arrays` returned after so many steps."""
        for name, tensor in self._tensors():
            tensor.copy_(torch.from_numpy(arrays[name]))
        for count in self._steps:
            count.fill_(step)

    def _tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        for k, weight in enumerate(self._weights):
            yield f"weight_{k + 1}", weight
            yield f"first_moment_{k + 1}", self._first[k]
            yield f"second_moment_{k + 1}", self._second[k]
