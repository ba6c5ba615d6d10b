"""Training of control networks by scikit-learn estimators."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.validate import require_extra

LARGEST_BATCH = 200
"""Batch size of scikit-learn's perceptrons if none is given."""


def once(estimator: Any, inputs: ArrayLike) -> partial[Any]:
    """Return training as a function of targets and seed: a clone is fitted to them."""
    return partial(_fitted, estimator, inputs)


def anew(estimator: Any, inputs: ArrayLike, targets: NDArray[Any]) -> partial[Any]:
    """Return training as a function of ``targets(rows, step)`` and seed: a clone takes one batch per step.

    It takes as many passes as a fit to the true targets with the seed 0. A fit that watches its loss would stop early:
    on targets that are permuted at every step the loss does not fall.

    Raises
    ------
    ValueError
        If the estimator is not trained in batches, or in a way that depends on how the loss falls.
    """
    name = type(estimator).__name__
    settings = estimator.get_params()
    # A perceptron of the solver "lbfgs" has a partial_fit, which begins anew with every batch.
    if not hasattr(estimator, "partial_fit") or settings.get("solver") not in ("adam", "sgd"):
        raise ValueError(
            f"{name} is not trained in batches (partial_fit, by the solver 'adam' or 'sgd'), so it can make controls of kind 'once' only; for 'anew' give a function "
            "fit(targets, seed) that trains with inputs[rows], targets(rows, step)"
        )
    by_loss = settings.get("early_stopping") or (
        settings.get("solver") == "sgd" and settings.get("learning_rate") == "adaptive"
    )
    if by_loss:
        raise ValueError(
            f"{name} must have neither early_stopping nor learning_rate='adaptive' for controls of kind 'anew': both depend on "
            "how the loss falls, and on targets that are permuted at every step it does not"
        )
    base = require_extra("sklearn.base", "sklearn", "fitting an estimator")
    options = {"classes": np.unique(targets)} if base.is_classifier(estimator) else {}
    if options and targets.ndim > 1:
        raise ValueError(f"targets of {name} must be one label per row for controls of kind 'anew'")
    passes = int(_fitted(estimator, inputs, targets, 0).n_iter_)
    return partial(_stepped, estimator, np.asarray(inputs), passes, options)


def states(estimator: Any) -> list[str]:
    """Names of the seeds of an estimator and of those in it, such as the steps of a pipeline."""
    return [x for x in estimator.get_params() if x.rpartition("__")[2] == "random_state"]


def _seeded(estimator: Any, seed: int) -> Any:
    base = require_extra("sklearn.base", "sklearn", "fitting an estimator")
    return base.clone(estimator).set_params(**dict.fromkeys(states(estimator), seed))


def _fitted(estimator: Any, inputs: ArrayLike, targets: Any, seed: int) -> Any:
    return _seeded(estimator, seed).fit(inputs, targets)


def _stepped(
    estimator: Any,
    inputs: NDArray[Any],
    passes: int,
    options: dict[str, Any],
    targets: Any,
    seed: int,
) -> Any:
    model, rng, count = _seeded(estimator, seed), np.random.default_rng(seed), len(inputs)
    size = LARGEST_BATCH if model.batch_size == "auto" else model.batch_size
    step = 0
    for _ in range(passes):
        order = rng.permutation(count)
        for start in range(0, count, size):
            rows = order[start : start + size]
            # A batch of its own size is one step of the optimizer.
            model.set_params(batch_size=len(rows))
            model.partial_fit(inputs[rows], targets(rows, step), **options)
            step += 1
    return model
