"""Networks in the memory of scikit-learn: MLPRegressor, MLPClassifier, and scalers before them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import WeightFileError
from ..network._layers import BatchNorm, Layer, Linear
from ..network._network import Activation, Network
from ._build import blame


def is_estimator(source: Any) -> bool:
    """Tell whether an object is one of scikit-learn's."""
    return any(base.__module__.startswith("sklearn.") for base in type(source).__mro__)


def read(source: Any) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    steps = [step for _, step in source.steps] if hasattr(source, "steps") else [source]
    layers: list[Layer] = []
    for step in steps:
        name = type(step).__name__
        with blame(name):
            if step in (None, "passthrough"):
                continue
            if hasattr(step, "coefs_"):
                layers += _perceptron(step)
            elif name in _SCALERS and hasattr(step, "scale_"):
                layers.append(_SCALERS[name](step))
            else:
                raise WeightFileError(
                    f"{name}: not a fitted MLPRegressor, MLPClassifier, StandardScaler or "
                    "MinMaxScaler, nor a Pipeline of these"
                )
    with blame(type(source).__name__):
        return Network(layers)


def _perceptron(estimator: Any) -> list[Layer]:
    """Return the layers. Of two classes, the output is the probability of the second."""
    layers: list[Layer] = []
    for coefficients, intercepts in zip(estimator.coefs_, estimator.intercepts_, strict=True):
        layers += [Linear(coefficients.T, intercepts), Activation(estimator.activation)]
    return [*layers[:-1], Activation(estimator.out_activation_)]


def _standard(scaler: Any) -> BatchNorm:
    n = scaler.n_features_in_
    mean = np.zeros(n) if scaler.mean_ is None else scaler.mean_
    variance = np.ones(n) if scaler.scale_ is None else scaler.scale_**2
    return BatchNorm(mean, variance, epsilon=0.0)


def _range(scaler: Any) -> BatchNorm:
    if scaler.clip:
        raise ValueError("a MinMaxScaler that clips is not linear")
    n = scaler.n_features_in_
    return BatchNorm(np.zeros(n), np.ones(n), scaler.scale_, scaler.min_, 0.0)


_SCALERS = {"StandardScaler": _standard, "MinMaxScaler": _range}
