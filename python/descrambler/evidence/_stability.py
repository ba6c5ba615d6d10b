"""How much values and verdicts depend on the choice of the inputs and of the null draws."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from .._util.parallel import Executor, mapping
from .._util.threads import blas_threads
from .._util.validate import Array
from ..network._network import Network
from ._claims import Claim, measure
from ._comparing import Evidence, Judgement
from ._study import Study
from ._verdicts import kind_of

SPLITS = 4
"""Times that the inputs are halved."""
RESAMPLINGS = 40
"""Times that the nulls are resampled."""
STABLE = 0.9
"""Share of resamplings with the same verdict below which it is called unstable."""


def uncertainties(
    study: Study,
    family: Sequence[Claim],
    observed: Array,
    rng: np.random.Generator,
    threads: int | None = 1,
    executor: Executor | None = None,
) -> Array:
    """Return the standard error of each value from the choice of the inputs, shape (d,).

    The r.m.s. change of the value on random halves of the inputs. The difference between a half and the
    whole has the variance of the value (delete-half jackknife). It includes any bias that falls with the
    number of inputs.
    """
    assert study.inputs is not None
    m = len(study.inputs)
    halves = [part for _ in range(SPLITS) for part in np.array_split(rng.permutation(m), 2)]
    one = partial(_measured, network=study.network, family=family)
    with blas_threads(1), mapping(threads, executor) as apply:
        values = np.array(list(apply(one, [study.inputs[np.sort(half)] for half in halves])))
    known = np.isfinite(values).any(axis=0)
    spread = np.full(len(family), np.nan)
    spread[known] = np.sqrt(np.nanmean(np.square(values - observed)[:, known], axis=0))
    return spread


def _measured(inputs: Array, network: Network, family: Sequence[Claim]) -> Array:
    return measure(Study(network, inputs), family)


def stability(
    evidence: Evidence,
    observed: Array,
    uncertainty: Array,
    judged: Sequence[Judgement],
    rng: np.random.Generator,
) -> Array:
    """Return the share of resamplings in which each claim keeps its kind of verdict, shape (d,); NaN without one.

    Draws are resampled with replacement, kind by kind, and values are moved within their uncertainty.
    This estimates what another seed would change, without new draws.
    """
    own = [None if j.verdict is None else kind_of(j.verdict.word) for j in judged]
    kept = np.zeros(len(own))
    spread = np.where(np.isfinite(uncertainty), uncertainty, 0.0)
    for _ in range(RESAMPLINGS):
        moved = observed + spread * rng.standard_normal(len(observed))
        again = evidence.resampled(rng).judge(moved)
        kept += [
            j.verdict is not None and kind_of(j.verdict.word) == k
            for j, k in zip(again, own, strict=True)
        ]
    return np.where([kind is None for kind in own], np.nan, kept / RESAMPLINGS)
