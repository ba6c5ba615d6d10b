"""Control networks made by the user's own training on shuffled targets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.parallel import Executor, mapping
from .._util.progress import Progress, reporting
from .._util.seeds import seed_of
from .._util.validate import choice
from ..network._network import Network
from ..readers import load
from ._estimators import anew, once, states
from ._verdicts import LEAST_CONTROLS, REQUIRED

Kind = Literal["once", "anew"]
DIGEST = "targets_sha256"
"""Name in the provenance of controls that were saved."""
Targets = NDArray[Any]


@dataclass(frozen=True)
class Sampler:
    """Targets that are permuted anew at every step. Call it with rows and the number of the step.

    ``targets(rows, step)`` returns the target of a random row for each of the given rows; the same
    targets whenever it is called for the same step.
    """

    targets: Targets
    seed: int

    def __call__(self, rows: ArrayLike, step: int) -> Targets:
        """Return targets of shape (len(rows), ...) that have nothing to do with the rows."""
        rng = np.random.default_rng([self.seed, int(step)])
        drawn: Targets = self.targets[
            rng.integers(len(self.targets), size=len(np.atleast_1d(rows)))
        ]
        return drawn


def controls(
    fit: Callable[[Any, int], Any] | Any,
    targets: ArrayLike,
    n: int = LEAST_CONTROLS,
    *,
    inputs: ArrayLike | None = None,
    kind: Kind = "once",
    random_state: int | np.random.Generator | None = 0,
    folder: str | os.PathLike[str] | None = None,
    threads: int | None = 1,
    executor: Executor | None = None,
    progress: Progress = False,
) -> list[Network]:
    """Train control networks for ``ds.interpret(controls={kind: ...})``.

    Parameters
    ----------
    fit : callable or scikit-learn estimator
        Your own training, ``fit(targets, seed)``: returns a `Network`, or a model or file that `load` reads.
        Use the inputs, architecture and recipe of the network that is tested, and take the initial
        weights and the order of the batches from the seed. Unless its networks tell their `initial` one,
        it is called once more, to see that another seed gives another network. For an estimator, a
        clone with the seed as `random_state` (also of what is in it) is fitted to `inputs`.
    targets : array_like, shape (m, ...)
        The true targets.
    n : int
        Number of controls; the verdict "learnt" needs at least 19 of each kind.
    inputs : array_like, shape (m, n_in), optional
        Only for an estimator.
    kind : {"once", "anew"}
        "once": `fit` gets the targets with their rows permuted, another permutation for each control.
        "anew": `fit` gets a function ``targets(rows, step)``, which returns targets of random rows, drawn
        anew at every step. Training that takes only arrays can make "once" only. For scikit-learn's
        perceptrons (solver "adam" or "sgd") a clone's `partial_fit` gets one batch at a time, in an order
        from the seed, for as many passes as one fit to the true targets takes (its `n_iter_`). So they
        are trained as long as the network: `fit` would stop early, since on such targets the loss does
        not fall. Other estimators can make "once" only.
    random_state : int, Generator or None
        Seed; each control gets its own permutation and seed from it.
    folder : path, optional
        Folder for the controls: each is saved after its training, and those already there are loaded,
        if they are of the same targets.
    threads : int or None
        Threads that train; None for one per processor. 1 by default, since most training uses all
        processors by itself.
    executor : Executor, optional
        Used instead of threads: any executor with the interface of `concurrent.futures`.
    progress : bool or callable
        True shows a bar. A function is called after each control with a step.

    Returns
    -------
    list of Network

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or value, `fit` ignores its seed, two controls are equal, or
        the folder holds controls of other targets.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    values = np.asarray(targets)
    if values.ndim < 1 or len(values) < 2:
        raise ValueError(f"targets must have at least 2 rows, got shape {values.shape}")
    choice("kind", kind, REQUIRED)
    train = _training(fit, inputs, values, kind)
    made = _Making(train, values, kind, seed_of(random_state), _folder(folder))
    networks: list[Network] = []
    with (
        mapping(threads, executor, foreign=True) as apply,
        reporting(progress, n, "control") as report,
    ):

        def make(numbers: range) -> None:
            for network in apply(made, numbers):
                networks.append(network)
                report(len(networks), kind)

        # The first by itself: training that ignores its seed is refused before the rest is done.
        make(range(1))
        if n > 1 and networks[0].initial is None and not made.is_there(1):
            _refuse_ignored_seed(networks[0], *apply(made.with_next_seed, [0]))
        make(range(1, n))
    _refuse_equal(networks)
    return networks


def _training(
    fit: Any, inputs: ArrayLike | None, targets: Targets, kind: Kind
) -> Callable[[Any, int], Any]:
    """Return the training as a function of targets and seed."""
    if not hasattr(fit, "get_params"):
        if not callable(fit):
            raise TypeError(
                "fit must be a function of targets and seed, or a scikit-learn estimator, got "
                f"{type(fit).__name__}"
            )
        if inputs is not None:
            raise TypeError("inputs are for estimators; a function fit(targets, seed) has its own")
        return fit  # type: ignore[no-any-return]
    if inputs is None:
        raise TypeError("inputs must be given with an estimator")
    if not states(fit):
        raise ValueError(f"fit must have a random_state, which {type(fit).__name__} has not")
    return anew(fit, inputs, targets) if kind == "anew" else once(fit, inputs)


def _folder(folder: str | os.PathLike[str] | None) -> Path | None:
    if folder is None:
        return None
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


@dataclass(frozen=True)
class _Making:
    """Makes the controls of a kind by their numbers; an instance can be sent to workers."""

    fit: Callable[[Any, int], Any]
    targets: Targets
    kind: Kind
    entropy: int
    folder: Path | None

    def __call__(self, number: int) -> Network:
        """Return a control, from the folder where it is there."""
        path = self._path(number)
        if path is None:
            return self._trained(number, number)
        if path.exists():
            return self._loaded(path)
        network = self._trained(number, number)
        record = {**network.provenance, DIGEST: self.digest}
        Network(network.layers, network.initial, record, network.notes).save(path)
        return network

    def _loaded(self, path: Path) -> Network:
        network = load(path)
        if network.provenance.get(DIGEST) != self.digest:
            raise ValueError(
                f"folder must not hold controls of other targets, but {path} is one: give another folder, or remove it"
            )
        return network

    @cached_property
    def digest(self) -> str:
        """Digest of the targets, which tells controls in a folder from those of other targets."""
        x = np.ascontiguousarray(self.targets)
        # Of Python's objects the bytes are addresses.
        content = repr(x.tolist()).encode() if x.dtype.hasobject else x.tobytes()
        return hashlib.sha256(repr((x.shape, x.dtype.str)).encode() + content).hexdigest()

    def with_next_seed(self, number: int) -> Network:
        """Train on the targets of a control with the seed of the next one."""
        return self._trained(number, number + 1)

    def is_there(self, number: int) -> bool:
        """Whether a control is in the folder."""
        path = self._path(number)
        return path is not None and path.exists()

    def _path(self, number: int) -> Path | None:
        name = f"{self.kind}_{self.entropy}_{number:03d}.npz"
        return None if self.folder is None else self.folder / name

    def _trained(self, number: int, seeded_as: int) -> Network:
        shuffle, seed = self._numbers(number)[1], self._numbers(seeded_as)[0]
        given: Any = Sampler(self.targets, shuffle)
        if self.kind == "once":
            order = np.random.default_rng(shuffle).permutation(len(self.targets))
            given = self.targets[order]
        model = self.fit(given, seed)
        return model if isinstance(model, Network) else load(model)

    def _numbers(self, number: int) -> tuple[int, int]:
        """Seeds of a control: of its training, and of its targets."""
        key = REQUIRED.index(self.kind), number
        sequence = np.random.SeedSequence(self.entropy, spawn_key=key)
        seed, shuffle = (int(x) for x in sequence.generate_state(2, np.uint32) >> 1)
        return seed, shuffle


def _weights(network: Network) -> bytes:
    return b"".join(np.asarray(x.weight, np.float64).tobytes() for x in network.linears)


def _refuse_ignored_seed(first: Network, other: Network) -> None:
    """Refuse two networks from the same targets that should differ by their seeds.

    Networks do not tell where they started from; targets of their own would make them differ in any case.
    """
    if _weights(first) == _weights(other):
        raise ValueError(
            "fit returned the same network for two seeds and the same targets: it must use its seed for the initial "
            "weights and the order of the batches"
        )


def _refuse_equal(networks: list[Network]) -> None:
    """Refuse controls that began with the same weights, where these are known, or ended with them."""
    seen: dict[bytes, int] = {}
    for number, network in enumerate(networks):
        for which in {id(network): network, id(network.initial): network.initial}.values():
            if which is None:
                continue
            weights = _weights(which)
            if seen.setdefault(weights, number) != number:
                raise ValueError(
                    f"controls {seen[weights]} and {number} have the same weights or the same start: fit must use its seed "
                    "for the initial weights and the order of the batches"
                )
