"""Training DEERNets on simulated data, with PyTorch (the extra `train`)."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from .._util.seeds import seed_of
from .._util.threads import torch_threads
from .._util.validate import choice, require_extra
from ..network._network import Activation, Linear, Network
from ._baselines import baseline_errors, mean_squared_error
from ._checkpoint import Checkpoint, TrainState, read_checkpoint
from ._learner import Learner, Weights
from ._simulate import DeerData, simulate
from ._stream import SHUFFLES, Shuffle, batches, generator

_REPORT = 128  # steps between two calls of the callback
_VALIDATE = 2048  # steps between two validations
_KEEP = 20.0  # seconds between two checkpoints
_VALIDATION_SEED = 20_210_118
_VALIDATION_SIZE = 10_000


@dataclass(frozen=True)
class _Budget:
    n_steps: int | None
    minutes: float | None
    start: float  # moved back by the time that earlier runs took

    def seconds(self) -> float:
        return time.perf_counter() - self.start

    def progress(self, step: int) -> float:
        steps = step / self.n_steps if self.n_steps else 0.0
        elapsed = self.seconds() / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(steps, elapsed))


def train(
    widths: Sequence[int] = (256, 80, 256),
    *,
    random_state: int | np.random.Generator | None = 0,
    n_steps: int | None = 150_000,
    minutes: float | None = None,
    learning_rate: float = 0.01,
    weight_decay: float = 1e-6,
    shuffle: Shuffle | None = None,
    callback: Callable[[TrainState], bool | None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    command: str | None = None,
) -> Network:
    """Train a DEERNet: linear layers without biases, tanh between them, logistic at the end.

    Adam, in batches of 128 and with a learning rate that falls to zero as a half cosine over
    the budget, minimizes the mean squared error between the output and the distance
    distribution scaled to a maximum of 1, on 2 microsecond traces simulated on the fly.

    Parameters
    ----------
    widths : sequence of int
        Units from the input to the output. The first and the last are the number of points
        of a trace and must be equal.
    random_state : int, numpy.random.Generator or None
        Seed of the weights and of the traces. With a budget in steps, the same seed gives the
        same network on the same machine; on another processor rounding differs, and 150 000 steps
        make another network of it, as good and of the same kind.
    n_steps : int or None
        Budget in optimizer steps. The default took three to seven minutes on two cores.
    minutes : float or None
        Budget in minutes. The budget that is used up first ends the training.
    learning_rate : float
        Learning rate at the start.
    weight_decay : float
        Half of it times the squared norm of the weights is added to the loss.
    shuffle : {None, "once", "anew"}
        Train a control network, which cannot learn the task, on permuted targets. "once": one
        fixed set of 16 384 traces, whose targets are permuted once; the network can only memorize
        pairs. "anew": new traces as without `shuffle`, but the 16 384 targets of a block are
        permuted again at every pass over it; the network can only learn the mean. Everything else
        stays the same. Give every control a seed of its own: a network and its control of the
        same seed start from the same weights.
    callback : callable, optional
        Called with a `TrainState` every 128 steps and at the end; returning True stops. When an
        interrupted training goes on, it is first called with the states of the earlier run.
    checkpoint : path-like, optional
        A file that is written every 20 seconds and at the end, whatever the reason. If it is there
        at the start, training goes on from it, to the same result as without the interruption
        (with a budget in steps). It is left to the caller to remove it.
    command : str, optional
        Recorded in the provenance as what remakes the network, in place of the call of this
        function.

    Returns
    -------
    Network
        float32, with `initial` (the untrained network) and `provenance`: command, settings,
        steps, minutes, date, versions and, on 10 000 validation traces, the mean squared
        errors of the network and of what it must beat: the untrained one, ridge regression
        and the mean (``validation_mse_network``, ``_untrained``, ``_ridge``, ``_mean``).

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    ValueError
        If an argument is out of range, or `checkpoint` is damaged or of another training.
    """
    settings: dict[str, Any] = {
        "widths": [int(width) for width in widths],
        "random_state": seed_of(random_state),
        "n_steps": n_steps,
        "minutes": minutes,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "shuffle": shuffle,
    }
    _check_settings(settings)
    torch = require_extra("torch", "train", "training")
    start = initial_weights(settings["widths"], settings["random_state"])
    # The matrices are too small to share; the other core simulates, and sums keep their order.
    with torch_threads(torch, 1):
        weights, last = _optimize(
            torch, start, callback, settings, None if checkpoint is None else Path(checkpoint)
        )
    call = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    provenance = {
        "command": command or f"descrambler.deer.train({call})",
        "settings": settings,
        "steps": last.step,
        "minutes": round(last.seconds / 60, 2),
        **validation_errors(weights, start),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
    }
    return as_network(weights, initial=as_network(start), provenance=provenance)


def _check_settings(settings: Mapping[str, Any]) -> None:
    widths, n_steps, minutes = (settings[name] for name in ("widths", "n_steps", "minutes"))
    if len(widths) < 2 or min(widths) < 1 or widths[0] != widths[-1]:
        raise ValueError(
            "widths must be two or more positive numbers, the first equal to the last, "
            f"got {widths}"
        )
    if n_steps is None and minutes is None:
        raise ValueError("n_steps and minutes must not both be None")
    if n_steps is not None and n_steps < 1:
        raise ValueError(f"n_steps must be at least 1, got {n_steps}")
    if minutes is not None and not 0 < minutes < math.inf:
        raise ValueError(f"minutes must be positive and finite, got {minutes}")
    if not 0 < settings["learning_rate"] < math.inf:
        raise ValueError(f"learning_rate must be positive, got {settings['learning_rate']}")
    if not 0 <= settings["weight_decay"] < math.inf:
        raise ValueError(f"weight_decay must not be negative, got {settings['weight_decay']}")
    if settings["shuffle"] is not None:
        choice("shuffle", settings["shuffle"], SHUFFLES)


def initial_weights(widths: Sequence[int], seed: int) -> Weights:
    """Draw from Glorot's uniform distribution."""
    rng = generator(seed, 0)
    weights = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        limit = math.sqrt(6 / (n_in + n_out))
        weights.append(rng.uniform(-limit, limit, (n_out, n_in)).astype(np.float32))
    return weights


def _optimize(
    torch: Any,
    start: Weights,
    callback: Callable[[TrainState], bool | None] | None,
    settings: Mapping[str, Any],
    checkpoint: Path | None,
) -> tuple[Weights, TrainState]:
    """Return the trained weights and the last state."""
    learner = Learner(torch, start, settings["weight_decay"])
    kept = Checkpoint((), {})
    if checkpoint is not None and checkpoint.exists():
        shapes = {name: array.shape for name, array in learner.arrays().items()}
        kept = read_checkpoint(checkpoint, settings, shapes)
        learner.restore(kept.arrays, kept.states[-1].step)
    try:
        for state in _reports(torch, learner, kept.states, settings, callback):
            kept = Checkpoint((*kept.states, state), learner.arrays())
            if checkpoint is not None and _due(checkpoint):
                kept.write(checkpoint, settings)
    finally:
        if checkpoint is not None and kept.states:
            kept.write(checkpoint, settings)
    return learner.weights(), kept.states[-1]


def _due(checkpoint: Path) -> bool:
    return not checkpoint.exists() or time.time() - checkpoint.stat().st_mtime > _KEEP


def _reports(
    torch: Any,
    learner: Learner,
    earlier: Sequence[TrainState],
    settings: Mapping[str, Any],
    callback: Callable[[TrainState], bool | None] | None,
) -> Iterator[TrainState]:
    """Train on after the earlier states; yield new ones until budget or callback end it."""
    last = TrainState(0, 0.0, 0.0, math.nan, math.nan)
    for last in earlier:
        if (callback is not None and callback(last)) or last.progress == 1:
            return
    n_points = settings["widths"][0]
    validation = validation_data(n_points)
    budget = _Budget(settings["n_steps"], settings["minutes"], time.perf_counter() - last.seconds)
    progress, losses = last.progress, []
    seed, shuffle = settings["random_state"], settings["shuffle"]
    with closing(batches(torch, n_points, seed, shuffle, last.step)) as stream:
        for step, (inputs, targets) in enumerate(stream, last.step + 1):
            rate = settings["learning_rate"] * (1 + math.cos(math.pi * progress)) / 2
            losses.append(learner.step(inputs, targets, rate))
            progress = budget.progress(step)
            if progress < 1 and step % _REPORT:
                continue
            error = math.nan
            if progress == 1 or step % _VALIDATE == 0:
                output = as_network(learner.weights())(validation.traces)
                error = mean_squared_error(output, validation)
            state = TrainState(step, progress, budget.seconds(), float(np.mean(losses)), error)
            losses.clear()
            yield state
            if (callback is not None and callback(state)) or progress == 1:
                return


def as_network(weights: Weights, **records: Any) -> Network:
    """Return the layers of the learner as a network."""
    layers: list[Linear | Activation] = []
    for weight in weights:
        layers += [Linear(weight), Activation("tanh")]
    return Network([*layers[:-1], Activation("logistic")], **records)


def versions() -> dict[str, str]:
    """Return the versions that go into the provenance, by name."""
    torch = require_extra("torch", "train", "training")
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": str(torch.__version__),
    }


def validation_data(n_points: int) -> DeerData:
    """Simulate the traces that every network is judged on."""
    return simulate(_VALIDATION_SIZE, _VALIDATION_SEED, n_points, dtype=np.float32)


def validation_errors(weights: Weights, start: Weights) -> dict[str, float]:
    """Return the errors that go into the provenance, by name."""
    data = validation_data(weights[0].shape[1])
    errors = {
        "network": mean_squared_error(as_network(weights)(data.traces), data),
        "untrained": mean_squared_error(as_network(start)(data.traces), data),
        **baseline_errors(data),
    }
    return {f"validation_mse_{name}": round(error, 6) for name, error in errors.items()}
