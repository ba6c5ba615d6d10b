"""DEER spectroscopy: physics, simulated data, and networks trained on it."""

from .baselines import baseline_errors, mean_squared_error
from .checkpoint import TrainState
from .distances import DistanceDistribution, Peak, predict_distances
from .modulation import Modulation, TraceFit, fit_trace, modulation
from .physics import DIPOLAR_CONSTANT, dipolar_frequency, distance_range, kernel
from .pretrained import PRETRAINED, Pretrained, pretrained
from .released import load_parameters, network_inputs
from .simulate import DeerData, simulate
from .traces import Trace, load_trace, prepare
from .train import train

__all__ = [
    "prepare",
    "predict_distances",
    "modulation",
    "load_trace",
    "fit_trace",
    "TraceFit",
    "Trace",
    "Peak",
    "Modulation",
    "DistanceDistribution",
    "DIPOLAR_CONSTANT",
    "PRETRAINED",
    "DeerData",
    "Pretrained",
    "TrainState",
    "baseline_errors",
    "dipolar_frequency",
    "distance_range",
    "kernel",
    "load_parameters",
    "mean_squared_error",
    "network_inputs",
    "pretrained",
    "simulate",
    "train",
]
