"""Weights of a DEERNet under PyTorch's Adam, with all its state as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = list[NDArray[np.float32]]


class Learner:
    """Weights under Adam."""

    def __init__(self, torch: Any, start: Weights, weight_decay: float) -> None:
        self._torch = torch
        self._parameters = [torch.nn.Parameter(torch.tensor(weight)) for weight in start]
        self._optimizer = torch.optim.Adam(self._parameters, weight_decay=weight_decay, fused=True)
        for parameter in self._parameters:
            self._optimizer.state[parameter] = {
                "step": torch.tensor(0.0),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def step(self, inputs: Any, targets: Any, rate: float) -> float:
        """Take one step; return the loss before it."""
        self._optimizer.param_groups[0]["lr"] = rate
        loss = self._torch.nn.functional.mse_loss(
            _forward(self._torch, self._parameters, inputs), targets
        )
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return float(loss.item())

    def weights(self) -> Weights:
        """Return copies."""
        return [parameter.detach().numpy().copy() for parameter in self._parameters]

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return copies of all that changes, by name."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self._tensors()}

    def restore(self, arrays: Mapping[str, NDArray[np.float32]], step: int) -> None:
        """Go back to what `arrays` returned after so many steps."""
        with self._torch.no_grad():
            for name, tensor in self._tensors():
                tensor.copy_(self._torch.from_numpy(arrays[name]))
        for parameter in self._parameters:
            self._optimizer.state[parameter]["step"].fill_(step)

    def _tensors(self) -> Iterator[tuple[str, Any]]:
        for k, parameter in enumerate(self._parameters, 1):
            state = self._optimizer.state[parameter]
            yield f"weight_{k}", parameter
            yield f"first_moment_{k}", state["exp_avg"]
            yield f"second_moment_{k}", state["exp_avg_sq"]


def _forward(torch: Any, weights: Sequence[Any], signal: Any) -> Any:
    for weight in weights[:-1]:
        signal = torch.tanh(signal @ weight.T)
    return torch.sigmoid(signal @ weights[-1].T)
