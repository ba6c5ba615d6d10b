"""Control networks for a network whose training code is not available: same architecture, stated recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.progress import Progress, reporting
from .._util.seeds import seed_of
from .._util.threads import check_threads, default_threads, torch_threads
from .._util.validate import Array, matrix, require_extra
from ..network._activations import Activation
from ..network._layers import Linear
from ..network._network import Network
from ._checks import REFITTED, has_convolutions
from ._given import as_inputs, as_network
from ._verdicts import LEAST_CONTROLS, REQUIRED, TRUE

FUNCTIONS = {
    "elu": "elu",
    "gelu": "gelu",
    "hard_tanh": "hardtanh",
    "leaky_relu": "leaky_relu",
    "logistic": "sigmoid",
    "relu": "relu",
    "selu": "selu",
    "silu": "silu",
    "softplus": "softplus",
    "tanh": "tanh",
}
"""Activations that can be trained here, and their names in ``torch.nn.functional``."""
N_TRUE = 3


def refit_controls(
    network: Any,
    inputs: ArrayLike,
    targets: ArrayLike,
    n: int = LEAST_CONTROLS,
    *,
    n_true: int = N_TRUE,
    n_steps: int = 3000,
    batch: int = 128,
    learning_rate: float = 3e-3,
    random_state: int | np.random.Generator | None = 0,
    threads: int | None = 1,
    progress: Progress = False,
) -> dict[str, list[Network]]:
    """Train networks of the same architecture on shuffled and on true targets, for ``ds.interpret``.

    For networks whose training code you do not have. The recipe is not that of the network: Adam, mean
    squared error, batches drawn with replacement, initial weights uniform within
    ``sqrt(6 / (n_in + n_out))``, initial biases zero. Since another recipe gives other networks, a few
    are also trained on the true targets. A claim that most of these do not show is "explained by the
    recipe". Prefer `controls` with your own training.

    Parameters
    ----------
    network : Network, or what `load` reads
        Linear layers with activations, which are kept as they are.
    inputs : array_like, shape (m, n_in)
    targets : array_like, shape (m, n_out)
    n : int
        Controls of each of the kinds "once" and "anew".
    n_true : int
        Networks on the true targets.
    n_steps, batch, learning_rate
        Training recipe.
    random_state : int, Generator or None
        Seed. Each network gets its own initial weights, batches and permutation.
    threads : int or None
        Threads of PyTorch, which trains all networks of a kind side by side; None for as many as other calls
        use. 1 by default: the products of small networks are too short to be shared.
    progress : bool or callable
        True shows a bar of the steps.

    Returns
    -------
    dict of str to list of Network
        "once", "anew" and "true", as ``interpret(controls=...)`` takes them. The recipe is in
        `provenance`.

    Raises
    ------
    MissingExtraError
        Without PyTorch, the extra "train".
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value, or the network has a layer that cannot
        be trained here.
    """
    torch = require_extra("torch", "train", "training controls")
    network = as_network("network", network)
    if has_convolutions(network):
        raise ValueError(
            "network must be of dense layers: a convolution would be trained as any matrix; use "
            "ds.controls with your own training"
        )
    x, y = as_inputs("inputs", inputs, network.n_in), matrix("targets", targets)
    if y.shape != (len(x), network.n_out):
        raise ValueError(f"targets must have shape {(len(x), network.n_out)}, got {y.shape}")
    for name, number in (("n", n), ("n_true", n_true), ("n_steps", n_steps), ("batch", batch)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    check_threads(threads)
    chain = _chain(network, torch)
    entropy = seed_of(random_state)
    settings = {"n_steps": n_steps, "batch": batch, "learning_rate": learning_rate}
    made: dict[str, list[Network]] = {}
    with (
        torch_threads(torch, threads or default_threads()),
        reporting(progress, 3 * n_steps, "step") as report,
    ):
        for place, (kind, count) in enumerate(((REQUIRED[0], n), (REQUIRED[1], n), (TRUE, n_true))):
            rngs = [
                np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(place, k)))
                for k in range(count)
            ]
            data = _Batches(x, y, kind, rngs, batch)
            learner = _Learner(torch, network, chain, rngs, learning_rate)
            for step in range(n_steps):
                learner.step(*data.next())
                report(place * n_steps + step + 1, kind)
            recipe = {"recipe": REFITTED, "kind": kind, **settings, "seed": entropy}
            made[kind] = learner.networks(recipe)
    return made


def _chain(network: Network, torch: Any) -> list[Callable[[Any], Any] | None]:
    """Functions in the order of the signal; None stands for the next linear layer."""
    chain: list[Callable[[Any], Any] | None] = []
    for layer in network.layers:
        if isinstance(layer, Linear):
            chain.append(None)
        elif isinstance(layer, Activation) and layer.name == "identity":
            continue
        elif isinstance(layer, Activation) and layer.name in FUNCTIONS:
            chain.append(_function(torch, layer))
        else:
            name = layer.name if isinstance(layer, Activation) else type(layer).__name__
            raise ValueError(
                f"network has the layer {name}, which cannot be trained here (only {', '.join(sorted(FUNCTIONS))}): use "
                "ds.controls with your own training"
            )
    return chain


def _function(torch: Any, layer: Activation) -> Callable[[Any], Any]:
    function = getattr(torch.nn.functional, FUNCTIONS[layer.name])
    slope = layer.slope
    if slope is None:
        return function  # type: ignore[no-any-return]
    return lambda signal: function(signal, slope)


class _Batches:
    """Batches of several networks at once, each with its own rows and its own shuffled targets."""

    def __init__(
        self, x: Array, y: Array, kind: str, rngs: list[np.random.Generator], batch: int
    ) -> None:
        self.x, self.y = x.astype(np.float32), y.astype(np.float32)
        self.kind, self.rngs, self.batch = kind, rngs, batch
        rows = np.arange(len(x))
        self.partner = [rng.permutation(len(x)) if kind == "once" else rows for rng in rngs]

    def next(self) -> tuple[Array, Array]:
        """Return inputs and targets, shapes (networks, batch, n)."""
        size = len(self.rngs), self.batch
        rows = np.array([rng.integers(len(self.x), size=self.batch) for rng in self.rngs])
        if self.kind == "anew":
            other = np.array([rng.integers(len(self.x), size=self.batch) for rng in self.rngs])
        else:
            other = np.array([p[r] for p, r in zip(self.partner, rows, strict=True)])
        assert rows.shape == size
        return self.x[rows], self.y[other]


class _Learner:
    """Networks of one architecture under Adam, side by side."""

    def __init__(
        self,
        torch: Any,
        network: Network,
        chain: list[Callable[[Any], Any] | None],
        rngs: list[np.random.Generator],
        rate: float,
    ) -> None:
        self.torch, self.network, self.chain, self.count = torch, network, chain, len(rngs)
        self.weights, self.biases = [], []
        for linear in network.linears:
            n_out, n_in = linear.weight.shape
            limit = np.sqrt(6 / (n_in + n_out))
            start = np.stack([rng.uniform(-limit, limit, (n_out, n_in)) for rng in rngs])
            self.weights.append(self._parameter(start))
            bias = None if linear.bias is None else np.zeros((self.count, 1, n_out))
            self.biases.append(None if bias is None else self._parameter(bias))
        self.start = [self._copies(k) for k in range(self.count)]
        parameters = [*self.weights, *(b for b in self.biases if b is not None)]
        self.optimizer = torch.optim.Adam(parameters, lr=rate)

    def _parameter(self, values: NDArray[np.float64]) -> Any:
        return self.torch.nn.Parameter(self.torch.tensor(values, dtype=self.torch.float32))

    def step(self, inputs: Array, targets: Array) -> None:
        """Take one step of every network."""
        signal, layers = (
            self.torch.from_numpy(inputs),
            iter(zip(self.weights, self.biases, strict=True)),
        )
        for function in self.chain:
            if function is not None:
                signal = function(signal)
                continue
            weight, bias = next(layers)
            signal = signal @ weight.transpose(1, 2)
            signal = signal if bias is None else signal + bias
        error = (signal - self.torch.from_numpy(targets)).square()
        self.optimizer.zero_grad()
        # The mean of each network; Adam treats every entry by itself.
        error.mean(dim=(1, 2)).sum().backward()
        self.optimizer.step()

    def _copies(self, k: int) -> list[Linear]:
        return [
            Linear(
                weight.detach().numpy()[k].copy(),
                None if bias is None else bias.detach().numpy()[k, 0].copy(),
            )
            for weight, bias in zip(self.weights, self.biases, strict=True)
        ]

    def networks(self, recipe: dict[str, Any]) -> list[Network]:
        """Return the networks, each with its start."""
        return [
            Network(
                self._layers(self._copies(k)),
                initial=Network(self._layers(start)),
                provenance=recipe | {"number": k},
            )
            for k, start in enumerate(self.start)
        ]

    def _layers(self, linears: list[Linear]) -> list[Any]:
        rest = iter(linears)
        return [next(rest) if isinstance(x, Linear) else x for x in self.network.layers]
