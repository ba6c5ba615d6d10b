"""Long iterations in segments, each of which ends in a file from which it goes on to the same result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .._geometry.charts import orthogonal
from .._util.files import documented, read_arrays, write_arrays
from .._util.validate import Array, real_array, scalar
from .lbfgs import Cancel, Objective, Outcome, Settings, State
from .multistart import Optimize
from .status import Status

SCHEMA = "descrambler.search.v1"


@dataclass(frozen=True, eq=False)
class Segments:
    """An optimizer that begins anew, without memory, every so many iterations.

    Whether it was stopped in between or not, it takes the same steps: the rotation at the end of a segment
    is all that the next one knows.
    """

    optimize: Optimize
    path: Path
    length: int

    def __call__(
        self, objective: Objective, start: Array, settings: Settings, cancel: Cancel | None = None
    ) -> Outcome:
        """Go on from the file if there is one, and write it after every segment."""
        done = _load(self.path, objective, start) if self.path.exists() else None
        while done is None or _goes_on(done, settings):
            before = 0 if done is None else done.n_iter
            part = replace(
                settings,
                max_iter=min(self.length, settings.max_iter - before),
                callback=_counted_from(before, settings),
            )
            here = start if done is None else done.rotation
            end = self.optimize(objective, here, part, cancel)
            done = end if done is None else _joined(done, end)
            if end.status in (Status.INTERRUPTED, Status.STOPPED):
                return done
            _save(self.path, start, done)
        return done


def segmented(optimize: Optimize, settings: Settings) -> Optimize:
    """Return the optimizer, in segments if a checkpoint is asked for."""
    if settings.checkpoint is None:
        return optimize
    return Segments(optimize, Path(settings.checkpoint), settings.checkpoint_every)


def _goes_on(done: Outcome, settings: Settings) -> bool:
    return done.status is Status.MAX_ITERATIONS and done.n_iter < settings.max_iter


def _counted_from(before: int, settings: Settings) -> Callable[[State], bool] | None:
    """Return the callback, told the iterations of all segments; it saw the first state already."""
    callback = settings.callback
    if callback is None:
        return None

    def told(state: State) -> bool:
        if before and state.iteration == 0:
            return False
        return callback(replace(state, iteration=before + state.iteration))

    return told


def _joined(first: Outcome, second: Outcome) -> Outcome:
    return replace(
        second,
        n_iter=first.n_iter + second.n_iter,
        n_eval=first.n_eval + second.n_eval,
        history=np.concatenate([first.history, second.history[1:]]),
    )


def _save(path: Path, start: Array, done: Outcome) -> None:
    arrays = {"start": start, "rotation": done.rotation, "history": done.history}
    numbers = {"n_iter": done.n_iter, "n_eval": done.n_eval, "gradient_norm": done.gradient_norm}
    write_arrays(path, SCHEMA, arrays | numbers | {"status": str(done.status)})


def _load(path: Path, objective: Objective, start: Array) -> Outcome:
    arrays = read_arrays(path, SCHEMA)
    with documented(path, "is no checkpoint of a search"):
        done = _outcome(arrays)
    if arrays["start"].dtype != start.dtype or not np.array_equal(arrays["start"], start):
        raise ValueError(
            f"checkpoint {path} is of another start: random_state, size or dtype differ"
        )
    value = objective.unit * objective.kernel().value_and_gradient(start)[0]
    if not np.isclose(value, done.history[0], rtol=1e-3):
        raise ValueError(f"checkpoint {path} is of other signals, or of another criterion")
    return done


def _outcome(arrays: Mapping[str, Array]) -> Outcome:
    """Return what is stored, checked to be what a search comes to."""
    rotation = orthogonal("rotation", arrays["rotation"])
    history = real_array("history", arrays["history"], 1)
    n_iter, n_eval = (int(scalar(arrays, name, "iu")) for name in ("n_iter", "n_eval"))
    norm = float(scalar(arrays, "gradient_norm", "f"))
    status = Status(scalar(arrays, "status", "U"))
    whole = arrays["start"].shape == rotation.shape and len(history) == n_iter + 1 and norm >= 0
    if not whole or rotation.dtype != arrays["start"].dtype:
        raise ValueError("its parts do not fit together")
    return Outcome(rotation, status, n_iter, n_eval, history, norm)
