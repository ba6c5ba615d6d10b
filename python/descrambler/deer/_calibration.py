"""95 % bands of an ensemble: how many standard deviations of its members hold the truth."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from .._util.files import documented, read_bytes, write_bytes
from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import choice
from ._ensemble import Member, fingerprint, member_deviation, members, n_points
from ._physics import Experiment
from ._simulate import DeerData, simulate

Vector = NDArray[np.float64]

LEVEL = 0.95
VISIBLE = 0.05
"""The truth counts where it exceeds this part of its maximum."""

SCHEMA = "descrambler deer calibration 1"
_NODES = 8  # distances at which the factor is determined
_LEAST_TRACES = 100
_MAX_BYTES = 2**20


@brief
@dataclass(frozen=True)
class Calibration:
    """How many standard deviations of the members a 95 % band is wide, for one ensemble.

    Attributes
    ----------
    factors : tuple of float
        k in eighths of the distance axis, from short to long; between their middles it is interpolated.
    n_networks, n_traces : int
        Members of the ensemble; simulated traces of the calibration.
    experiment : {"deer", "ridme"}
    networks : str
        Digest of the ensemble: the calibration is for no other.
    """

    factors: tuple[float, ...]
    n_networks: int
    n_traces: int
    experiment: Experiment
    networks: str

    def at(self, n: int) -> Vector:
        """Return the factors at the n points of a distance axis."""
        middles = (np.arange(len(self.factors)) + 0.5) * n / len(self.factors) - 0.5
        return np.interp(np.arange(n), middles, self.factors)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, for `load_calibration`."""
        content = {"schema": SCHEMA, "level": LEVEL, **asdict(self)}
        write_bytes(path, (json.dumps(content, indent=1) + "\n").encode())

    def check(self, networks: Sequence[Member], experiment: Experiment) -> None:
        """Check that it is for these networks.

        Raises
        ------
        ValueError
            If it is for others, or for another experiment.
        """
        if self.experiment != experiment:
            raise ValueError(
                f"calibration must be for {experiment}, got one for {self.experiment}: calibrate these "
                "networks, descrambler calibrate"
            )
        if self.networks != fingerprint(networks):
            raise ValueError(
                f"calibration must be of these {len(networks)} networks, got one of {self.n_networks} "
                "others: calibrate these, descrambler calibrate"
            )


def load_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read a calibration that `Calibration.save` wrote.

    Raises
    ------
    ValueError
        If the file is something else.
    OSError
        If it cannot be opened.
    """
    content = read_bytes(path, _MAX_BYTES)
    with documented(path, "is not a calibration"):
        return _decoded(content)


def shipped_calibration(networks: Sequence[Member], experiment: Experiment) -> Calibration | None:
    """Return the calibration of the ensemble that ships, if these are its networks."""
    folder = resources.files(__package__) / "weights"
    found = _decoded((folder / "calibration_two_layers.json").read_bytes())
    ours = found.n_networks == len(networks) and found.experiment == experiment
    return found if ours and found.networks == fingerprint(networks) else None


def _decoded(content: bytes) -> Calibration:
    values = json.loads(content)
    if values.pop("schema", None) != SCHEMA or values.pop("level", None) != LEVEL:
        raise ValueError(f"it must have the schema {SCHEMA!r} and the level {LEVEL}")
    factors = tuple(float(value) for value in values.pop("factors"))
    if not factors or not all(0 < value < np.inf for value in factors):
        raise ValueError("its factors must be positive")
    choice("experiment", values["experiment"], ("deer", "ridme"))
    return Calibration(factors, **values)


@computes
def calibrate(
    networks: Sequence[Member],
    n: int = 2000,
    *,
    experiment: Experiment = "deer",
    random_state: int | None = 95,
) -> Calibration:
    """Find how many standard deviations of an ensemble's members hold 95 % of the truth.

    Split conformal calibration on traces that are simulated as for the training, which the networks
    have not seen. The score of a distance is ``|truth - mean| / standard deviation``, where the truth
    exceeds 5 % of its maximum. In each eighth of the distance axis the factor is the 95 % quantile of
    the scores; the distances of one trace, which are not independent, share the weight of one.

    Parameters
    ----------
    networks : sequence of Network or Replica
        Two or more, of one kind: see `predict_distances`.
    n : int
        Simulated traces, at least 100.
    experiment : {"deer", "ridme"}
    random_state : int or None
        Seed of the traces.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If there are fewer than two networks, or too few traces to reach all distances.

    Notes
    -----
    The band holds what the networks were trained for: traces as `simulate` draws them. It does not
    cover artifacts that no simulated trace has. Lee, Barber and Willett, arXiv 2306.06342 (2023), have
    the weights for points in groups.
    """
    points = n_points(networks)
    if len(networks) < 2:
        raise ValueError(f"networks must be two or more for a band, got {len(networks)}")
    if n < _LEAST_TRACES:
        raise ValueError(f"n must be at least {_LEAST_TRACES}, got {n}")
    data = simulate(n, random_state, points, experiment=experiment)
    scores, visible = band_scores(networks, data)
    edges = np.linspace(0, points, _NODES + 1).astype(int)
    factors = tuple(
        _quantile(scores[:, a:b], visible[:, a:b])
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    )
    return Calibration(factors, len(networks), n, experiment, fingerprint(networks))


def band_scores(networks: Sequence[Member], data: DeerData) -> tuple[Vector, NDArray[np.bool_]]:
    """Return how many standard deviations the truth is from the mean, and where the truth counts."""
    found = members(networks, data.traces)
    truth = data.distributions
    deviation = np.maximum(member_deviation(found), np.finfo(float).tiny)
    scores = np.abs(truth - found.mean(axis=0)) / deviation
    return scores, truth > VISIBLE * truth.max(axis=1, keepdims=True)


def _quantile(scores: Vector, visible: NDArray[np.bool_]) -> float:
    """Return the conformal quantile of scores in groups: rows, of which each has the weight 1."""
    rows = visible.any(axis=1)
    counts = visible[rows].sum(axis=1, keepdims=True)
    weights = np.broadcast_to(1 / counts, visible[rows].shape)[visible[rows]]
    values = scores[rows][visible[rows]]
    order = np.argsort(values)
    # The trace to come is one more group, at infinity.
    share = np.cumsum(weights[order]) / (rows.sum() + 1)
    place = int(np.searchsorted(share, LEVEL))
    if place == values.size:
        raise ValueError(
            f"n must be larger: only {rows.sum()} traces have a distance in some part of the axis"
        )
    return float(values[order][place])
