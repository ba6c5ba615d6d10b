"""Control networks made by the user's own training on shuffled targets."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.parallel import Executor, mapping
from .._util.progress import Progress, reporting
from .._util.seeds import seed_of
from .._util.validate import choice, require_extra
from ..network._network import Network
from ..readers import load
from ._verdicts import LEAST_CONTROLS, REQUIRED

Kind = Literal["once", "anew"]
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
        weights and the order of the batches from the seed. For an estimator, a clone with the seed as
        `random_state` is fitted to `inputs`.
    targets : array_like, shape (m, ...)
        The true targets.
    n : int
        Number of controls; the verdict "learnt" needs at least 19 of each kind.
    inputs : array_like, shape (m, n_in), optional
        Only for an estimator.
    kind : {"once", "anew"}
        "once": `fit` gets the targets with their rows permuted, another permutation for each control.
        "anew": `fit` gets a function ``targets(rows, step)``, which returns targets of random rows, drawn
        anew at every step. Training that takes only arrays can make "once" only.
    random_state : int, Generator or None
        Seed; each control gets its own permutation and seed from it.
    folder : path, optional
        Folder for the controls: each is saved after its training, and those already there are loaded.
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
        If an argument is of the wrong kind or value, or two controls are equal because `fit` ignores its
        seed.
    """
    train = _training(fit, inputs, kind)
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    values = np.asarray(targets)
    if values.ndim < 1 or len(values) < 2:
        raise ValueError(f"targets must have at least 2 rows, got shape {values.shape}")
    entropy = seed_of(random_state)
    place = REQUIRED.index(choice("kind", kind, REQUIRED))
    made = partial(
        _made, fit=train, targets=values, kind=kind, key=(entropy, place), folder=_folder(folder)
    )
    networks = []
    with (
        mapping(threads, executor, foreign=True) as apply,
        reporting(progress, n, "control") as report,
    ):
        for done, network in enumerate(apply(made, range(n)), 1):
            networks.append(network)
            report(done, kind)
    _refuse_equal(networks)
    return networks


def _training(fit: Any, inputs: ArrayLike | None, kind: Kind) -> Callable[[Any, int], Any]:
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
    if kind == "anew":
        raise ValueError(
            "an estimator's fit takes arrays, so it can make controls of kind 'once' only; for 'anew' give a function that calls "
            "partial_fit(inputs[rows], targets(rows, step))"
        )
    return partial(_fitted, fit, inputs)


def _fitted(estimator: Any, inputs: ArrayLike, targets: Any, seed: int) -> Any:
    base = require_extra("sklearn.base", "sklearn", "fitting an estimator")
    return base.clone(estimator).set_params(random_state=seed).fit(inputs, targets)


def _folder(folder: str | os.PathLike[str] | None) -> Path | None:
    if folder is None:
        return None
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _made(
    number: int,
    fit: Callable[[Any, int], Any],
    targets: Targets,
    kind: Kind,
    key: tuple[int, int],
    folder: Path | None,
) -> Network:
    path = None if folder is None else folder / f"{kind}_{key[0]}_{number:03d}.npz"
    if path is not None and path.exists():
        return load(path)
    sequence = np.random.SeedSequence(key[0], spawn_key=(key[1], number))
    seed, shuffle = (int(x) for x in sequence.generate_state(2, np.uint32) >> 1)
    given: Any = Sampler(targets, shuffle)
    if kind == "once":
        given = targets[np.random.default_rng(shuffle).permutation(len(targets))]
    model = fit(given, seed)
    network = model if isinstance(model, Network) else load(model)
    if path is not None:
        network.save(path)
    return network


def _refuse_equal(networks: list[Network]) -> None:
    """Refuse controls that began with the same weights, where these are known, or ended with them."""
    seen: dict[bytes, int] = {}
    for number, network in enumerate(networks):
        for which in {id(network): network, id(network.initial): network.initial}.values():
            if which is None:
                continue
            weights = b"".join(np.asarray(x.weight, np.float64).tobytes() for x in which.linears)
            if seen.setdefault(weights, number) != number:
                raise ValueError(
                    f"controls {seen[weights]} and {number} have the same weights or the same start: fit must use its seed "
                    "for the initial weights and the order of the batches"
                )
