"""Checkpoints of a training: an interrupted one goes on to the same result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.files import documented, read_arrays, write_arrays

SCHEMA = "descrambler.training.v1"


@dataclass(frozen=True)
class TrainState:
    """The state of a training, given to the callback of `train` every 128 steps.

    Attributes
    ----------
    step : int
        Optimizer steps done.
    progress : float
        Part of the budget that is used up, 0 to 1.
    seconds : float
        Time spent training, that of earlier runs included.
    loss : float
        Mean squared error of the steps since the last call, each before its update.
    validation : float
        Mean squared error on the validation traces, every 2048 steps and at the end, else NaN.
    """

    step: int
    progress: float
    seconds: float
    loss: float
    validation: float


@dataclass(frozen=True)
class Checkpoint:
    """A training after the last of its `states`.

    Attributes
    ----------
    states : tuple of TrainState
    arrays : dict of str to ndarray of float32
        Weights and both moments of Adam, layer by layer.
    """

    states: tuple[TrainState, ...]
    arrays: dict[str, NDArray[np.float32]]

    def write(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Write the state and what it belongs to, whole or not at all."""
        records = {
            "settings": np.array(json.dumps(settings)),
            "states": np.array([astuple(state) for state in self.states]),
        }
        write_arrays(path, SCHEMA, records | self.arrays)


def read_checkpoint(
    path: Path, settings: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> Checkpoint:
    """Read what a training with these settings wrote.

    Raises
    ------
    ValueError
        If the file is damaged or belongs to other settings.
    """
    arrays = read_arrays(path, SCHEMA)
    with documented(path, "is not a checkpoint of a training"):
        found = json.loads(str(arrays.pop("settings")))
        states = [TrainState(int(row[0]), *map(float, row[1:])) for row in arrays.pop("states")]
        different = {name for name in settings if settings[name] != found.get(name)}
    if different:
        name = min(different)
        raise ValueError(
            f"{path} belongs to another training: its {name} is {found.get(name)!r}, "
            f"asked for is {settings[name]!r}; remove it to start again"
        )
    wrong = [
        name
        for name, shape in shapes.items()
        if name not in arrays
        or arrays[name].dtype != np.float32
        or arrays[name].shape != shape
        or not np.isfinite(arrays[name]).all()
    ]
    if wrong or not states:
        raise ValueError(f"{path} is damaged: {wrong[0] if wrong else 'it holds no state'}")
    return Checkpoint(tuple(states), arrays)
