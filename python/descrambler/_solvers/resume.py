"""Long iterations in segments, each of which ends in a file from which it goes on to the same result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from .._geometry.checks import orthogonal
from .._util.files import documented, read_arrays, write_arrays
from .._util.progress import reporting
from .._util.validate import Array, real_array, scalar
from .outcome import Outcome, Status
from .problem import Objective
from .settings import Callback, Settings, State
from .starts import Optimize

SCHEMA = "descrambler.search.v1"


def in_segments(
    optimize: Optimize, objective: Objective, starts: Sequence[Array], settings: Settings
) -> tuple[Outcome, list[Outcome]]:
    """Optimize from one start, and clear the memory every so many iterations.

    Whether it was stopped in between or not, it takes the same steps: the rotation at the end of a
    segment is all that the next one knows. Goes on from the checkpoint if there is one, and writes it
    after every segment.
    """
    (start,) = starts
    assert settings.checkpoint is not None
    path = Path(settings.checkpoint)
    done = _load(path, objective, start) if path.exists() else None
    with reporting(settings.progress, settings.max_iter, "iteration") as report:
        while done is None or _goes_on(done, settings):
            before = 0 if done is None else done.n_iter
            part = settings.but(
                max_iter=min(settings.checkpoint_every, settings.max_iter - before),
                callback=partial(_told, before, settings.callback, report),
                progress=False,
            )
            here = start if done is None else done.rotation
            end = optimize(objective, here, part, None)
            done = end if done is None else _joined(done, end)
            if end.status in (Status.INTERRUPTED, Status.STOPPED):
                break
            _save(path, start, done)
    return done, [done]


def _told(
    before: int, callback: Callback | None, report: Callable[[int, str], None], state: State
) -> bool:
    """Count the iterations of all segments; the first state of a further one was told already."""
    if before and state.iteration == 0:
        return False
    whole = replace(state, iteration=before + state.iteration)
    report(whole.iteration, f"objective={whole.objective:.6g}")
    return callback is not None and bool(callback(whole))


def _goes_on(done: Outcome, settings: Settings) -> bool:
    return done.status is Status.MAX_ITERATIONS and done.n_iter < settings.max_iter


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
    value = objective.unit * objective.kernel.value_and_gradient(start)[0]
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
