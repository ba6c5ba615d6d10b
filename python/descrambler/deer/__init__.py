"""DEER spectroscopy: physics, simulated data, and networks trained on it."""

from ._baselines import baseline_errors, mean_squared_error, overlap, ridge_regression
from ._checkpoint import TrainState
from ._controls import controls
from ._distances import DistanceDistribution, Peak, predict_distances
from ._modulation import Modulation, TraceFit, fit_trace, modulation
from ._physics import DIPOLAR_CONSTANT, dipolar_frequency, distance_range, kernel
from ._pretrained import PRETRAINED, Pretrained, pretrained
from ._released import load_parameters, network_inputs
from ._replica import HIGH_PASS, LOW_PASS, Penalties, Replica, replica
from ._simulate import DeerData, simulate
from ._traces import Trace, load_trace, prepare
from ._train import train
from ._variations import variations

__all__ = [
    "DIPOLAR_CONSTANT",
    "HIGH_PASS",
    "LOW_PASS",
    "PRETRAINED",
    "DeerData",
    "DistanceDistribution",
    "Modulation",
    "Peak",
    "Penalties",
    "Pretrained",
    "Replica",
    "Trace",
    "TraceFit",
    "TrainState",
    "baseline_errors",
    "controls",
    "dipolar_frequency",
    "distance_range",
    "fit_trace",
    "kernel",
    "load_parameters",
    "load_trace",
    "mean_squared_error",
    "modulation",
    "network_inputs",
    "overlap",
    "predict_distances",
    "prepare",
    "pretrained",
    "replica",
    "ridge_regression",
    "simulate",
    "train",
    "variations",
]
