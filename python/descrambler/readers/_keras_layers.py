"""The effect of each Keras layer on the signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network._activations import Activation
from ..network._affine import Affine
from ..network._layers import BatchNorm, Linear
from ._chain import Chain, arithmetic
from ._keras_activations import layer as activation_layer
from ._keras_activations import named
from ._keras_chain import SIGNAL, Config, refuse_keras
from ._keras_weights import Weights
from ._signal import Signal

_NOTHING = {
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "InputLayer",
}
_ARITHMETIC = {
    "Add": "add",
    "Divide": "div",
    "Multiply": "mul",
    "Subtract": "sub",
    "TrueDivide": "div",
}
_FUNCTIONS = {  # of Keras 2, in TFOpLambda
    "__operators__.add": "add",
    "math.add": "add",
    "math.divide": "div",
    "math.multiply": "mul",
    "math.subtract": "sub",
    "math.truediv": "div",
}


@dataclass
class State:
    """The layers read so far, and the shape of the signal."""

    path: Path
    version: str
    weights: Weights
    chain: Chain
    signal: Signal


def add(state: State, config: Config) -> bool:
    """Add what one layer is; tell whether it is known."""
    _note_precision(state, config)
    if config.kind in _NOTHING:
        return True
    if config.kind in _SHAPES:
        shape = _SHAPES[config.kind](state.signal, config.options)
        state.signal = state.signal if shape is None else shape
        return shape is not None
    if config.kind in _KNOWN:
        return _KNOWN[config.kind](state, config)
    if config.kind in _ARITHMETIC or config.kind == "TFOpLambda":
        return _constant(state, config)
    if config.kind == "Negative":
        state.chain.add(arithmetic("mul", -1.0))
        return True
    function = activation_layer(config.kind, config.options, len(state.signal.sizes))
    if function is None:
        return False
    _add_activation(state, function)
    return True


def _note_precision(state: State, config: Config) -> None:
    """Note a policy that computes in half precision, which descrambler does not."""
    given = config.options.get("dtype")
    policy = given.get("config", {}).get("name") if isinstance(given, dict) else given
    if isinstance(policy, str) and "float16" in policy and config.kind != "InputLayer":
        state.chain.notes.append(f"{config}: computes in {policy}; descrambler in float32")


def _add_activation(state: State, function: Activation) -> None:
    """Add an activation; those of a whole row need all of it along the last axis."""
    if function.name in ("softmax", "log_softmax") and not state.signal.holds_all(-1):
        raise refuse_keras(state.path, f"{function.name} of signals of shape {state.signal.sizes}")
    state.chain.add(function)


def _flatten(signal: Signal, options: Mapping[str, Any]) -> Signal | None:
    if options.get("data_format") == "channels_first" and len(signal.sizes) > 2:
        return None
    return signal.flatten(1)


def _reshape(signal: Signal, options: Mapping[str, Any]) -> Signal | None:
    target = list(options["target_shape"])
    return signal.reshape([0, *target]) if 0 not in target else None


def _permute(signal: Signal, options: Mapping[str, Any]) -> Signal | None:
    return signal.transpose([0, *options["dims"]])


_SHAPES: dict[str, Callable[[Signal, Mapping[str, Any]], Signal | None]] = {
    "Flatten": _flatten,
    "Permute": _permute,
    "Reshape": _reshape,
}


def _dense(state: State, config: Config) -> bool:
    options, signal = config.options, state.signal
    names = ["kernel", "bias"] if options.get("use_bias", True) else ["kernel"]
    found = state.weights.of(config, names)
    if not signal.holds_all(-1):
        raise refuse_keras(
            state.path, f"{config}: takes signals of shape {list(signal.sizes)}, not rows"
        )
    linear = Linear(found["kernel"].T, found.get("bias"))
    state.chain.add(linear)
    state.signal = signal.replaced(-1, linear.n_out)
    return _named_activation(state, config)


def _named_activation(state: State, config: Config) -> bool:
    given = config.options.get("activation")
    if given in (None, "linear"):
        return True
    function = named(given, state.version)
    if function is None:
        raise refuse_keras(state.path, f"{config}: activation {given!r} is not known")
    _add_activation(state, function)
    return True


def _batch_norm(state: State, config: Config) -> bool:
    options = config.options
    if options.get("renorm"):
        return False
    names = [
        *(["gamma"] if options.get("scale", True) else []),
        *(["beta"] if options.get("center", True) else []),
        "moving_mean",
        "moving_variance",
    ]
    found = state.weights.of(config, names)
    norm = BatchNorm(
        found["moving_mean"],
        found["moving_variance"],
        found.get("gamma"),
        found.get("beta"),
        float(options.get("epsilon", 1e-3)),
    )
    axis = options.get("axis", -1)
    (axis,) = axis if isinstance(axis, list) else [axis]
    state.chain.add(_along(state.signal, [axis], norm))
    return True


def _along(signal: Signal, axes: list[int], norm: Affine) -> Affine:
    """Return a map whose numbers belong to some axes as one of the flattened sample."""
    rank = len(signal.sizes)
    kept = {axis % rank for axis in axes if -rank <= axis < rank}
    if len(kept) < len(axes) or 0 in kept:
        raise ValueError(f"normalizes axes {axes} of signals of shape {list(signal.sizes)}")
    if rank == 2 or norm.gain.size == 1:
        return norm
    if None in signal.sample:
        raise ValueError(f"normalizes signals of shape {list(signal.sizes)}")
    sizes = [n if k in kept else 1 for k, n in enumerate(signal.sizes)][1:]
    shape: Any = signal.sample
    gain, shift = (np.broadcast_to(a.reshape(sizes), shape).ravel() for a in (norm.gain, norm.shift))  # type: ignore[arg-type]  # fmt: skip
    return Affine(gain, shift, norm.dtype)


def _normalization(state: State, config: Config) -> bool:
    """Add ``(x - mean) / sqrt(variance)``, or what undoes it."""
    options = config.options
    if options.get("mean") is None:
        found = state.weights.of(config, ["mean", "variance"], unread=["count"])
        mean, variance = found["mean"], found["variance"]
    else:
        mean, variance = (np.asarray(options[key], np.float32) for key in ("mean", "variance"))
    mean, variance = np.broadcast_arrays(mean, variance)
    # Keras divides by no less than its epsilon.
    deviation = np.maximum(np.sqrt(variance.ravel().astype(np.float64)), 1e-7)
    center = mean.ravel().astype(np.float64)
    gain, shift = 1 / deviation, -center / deviation
    if options.get("invert"):
        gain, shift = deviation, center
    if center.size == 1:
        gain, shift = gain.reshape(()), shift.reshape(())
    axis = options.get("axis", -1)
    axes = [axis] if isinstance(axis, int) else list(axis or [])
    norm = Affine(gain, shift, np.result_type(mean, np.float32))
    norm.check(norm.gain.size)
    state.chain.add(_along(state.signal, axes, norm) if axes else norm)
    return True


def _rescaling(state: State, config: Config) -> bool:
    """Add ``x * scale + offset``."""
    for operation, key, default in (("mul", "scale", 1.0), ("add", "offset", 0.0)):
        constant = _number(config.options.get(key, default))
        state.chain.add(arithmetic(operation, constant, state.signal.sample))
    return True


def _prelu(state: State, config: Config) -> bool:
    slopes = np.unique(state.weights.of(config, ["alpha"])["alpha"])
    if slopes.size != 1:
        raise refuse_keras(state.path, f"{config}: has more than one slope")
    _add_activation(state, Activation("leaky_relu", float(slopes[0])))
    return True


_KNOWN: dict[str, Callable[[State, Config], bool]] = {
    "Activation": _named_activation,
    "BatchNormalization": _batch_norm,
    "Dense": _dense,
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Rescaling": _rescaling,
}


def _constant(state: State, config: Config) -> bool:
    """Add arithmetic with a constant; tell whether it is one."""
    operation = _ARITHMETIC.get(config.kind, _FUNCTIONS.get(str(config.options.get("function"))))
    if operation is None or len(config.call) != 2 or config.call.count(SIGNAL) != 1:
        return False
    swapped = config.call[1] is SIGNAL
    constant = _number(config.call[0 if swapped else 1])
    if isinstance(constant, float):
        affine = arithmetic(operation, constant, swapped=swapped)
    else:
        affine, state.signal = state.signal.affine(operation, constant, swapped=swapped)
    state.chain.add(affine)
    return True


def _number(value: Any) -> float | NDArray[Any]:
    """Return a constant of a configuration: a number, a list, or an array with its dtype."""
    if isinstance(value, int | float):
        return float(value)
    kind = "float32"
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        value, kind = value["config"]["value"], value["config"]["dtype"]
    return np.asarray(value, np.float64 if kind == "float64" else np.float32)
