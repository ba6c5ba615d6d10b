"""Seeds: what `random_state` stands for."""

from __future__ import annotations

import numpy as np


def seed_of(random_state: int | np.random.Generator | None) -> int:
    """Return the integer seed that `random_state` stands for, a fresh one for None."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if random_state is None:
        entropy = np.random.SeedSequence().entropy
        assert isinstance(entropy, int)
        return entropy
    check_seed(random_state)
    return int(random_state)


def generator_of(random_state: int | np.random.Generator | None) -> np.random.Generator:
    """Return the generator that `random_state` stands for, a fresh one for None."""
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError):
        check_seed(random_state)
        raise


def check_seed(random_state: object) -> None:
    """Check that `random_state` is None, a Generator of NumPy or an integer of at least 0."""
    if random_state is None or isinstance(random_state, np.random.Generator):
        return
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer):
        raise TypeError(
            f"random_state must be None, an integer or a Generator of NumPy, got {random_state!r}"
        )
    if random_state < 0:
        raise ValueError(f"random_state must be at least 0, got {random_state}")
