"""Seeds: what `random_state` stands for."""

from __future__ import annotations

from typing import cast

import numpy as np


def seed_of(random_state: int | np.random.Generator | None) -> int:
    """Return the integer seed that `random_state` stands for, a fresh one for None."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    return cast(int, np.random.SeedSequence(random_state).entropy)
