"""DEER spectroscopy: physics, simulated data, and networks trained on it."""

from ._baselines import baseline_errors, mean_squared_error, overlap, ridge_regression
from ._calibration import Calibration, calibrate, load_calibration, shipped_calibration
from ._checkpoint import TrainState
from ._controls import controls
from ._coverage import Coverage, coverage
from ._distances import DistanceDistribution, predict_distances, share_background
from ._fits import TraceFit, fit_trace, fit_traces
from ._load_traces import load_trace, load_traces
from ._modulation import Modulation, modulation
from ._page import write_trace_page
from ._peaks import Peak
from ._physics import DIPOLAR_CONSTANT, dipolar_frequency, distance_range, kernel
from ._pretrained import PRETRAINED, Pretrained, pretrained
from ._released import load_parameters, network_inputs
from ._replica import HIGH_PASS, LOW_PASS, Penalties, Replica, replica
from ._result_files import (
    OtherBackground,
    OtherDistribution,
    load_background,
    load_distribution,
    save_deeranalysis,
    save_deerlab,
)
from ._sampling import Sampling, sampling
from ._simulate import DeerData, simulate
from ._traces import Trace, prepare
from ._train import train
from ._variations import variations
from ._warnings import trace_warnings

__all__ = [
    "DIPOLAR_CONSTANT",
    "HIGH_PASS",
    "LOW_PASS",
    "PRETRAINED",
    "Calibration",
    "Coverage",
    "DeerData",
    "DistanceDistribution",
    "Modulation",
    "OtherBackground",
    "OtherDistribution",
    "Peak",
    "Penalties",
    "Pretrained",
    "Replica",
    "Sampling",
    "Trace",
    "TraceFit",
    "TrainState",
    "baseline_errors",
    "calibrate",
    "controls",
    "coverage",
    "dipolar_frequency",
    "distance_range",
    "fit_trace",
    "fit_traces",
    "kernel",
    "load_background",
    "load_calibration",
    "load_distribution",
    "load_parameters",
    "load_trace",
    "load_traces",
    "mean_squared_error",
    "modulation",
    "network_inputs",
    "overlap",
    "predict_distances",
    "prepare",
    "pretrained",
    "replica",
    "ridge_regression",
    "sampling",
    "save_deeranalysis",
    "save_deerlab",
    "share_background",
    "shipped_calibration",
    "simulate",
    "trace_warnings",
    "train",
    "variations",
    "write_trace_page",
]
