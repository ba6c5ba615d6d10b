"""Networks in the memory of scikit-learn: perceptrons, and the affine steps around them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightFileError
from ..network._affine import Affine
from ..network._layers import Linear
from ..network._network import Activation, Network
from ._build import blame
from ._chain import Chain, Step
from ._compare import check, leading

READ = (
    "descrambler reads MLPRegressor and MLPClassifier, alone, in a Pipeline after StandardScaler, "
    "MinMaxScaler, MaxAbsScaler, RobustScaler, PCA, TruncatedSVD or a selection of features, in a "
    "search such as GridSearchCV, or in a TransformedTargetRegressor with such a scaler"
)

_REASONS = {
    "ColumnTransformer": "treats columns in different ways; transform the inputs first, and pass "
    "the network alone",
    "FeatureUnion": "puts the outputs of several steps side by side; transform the inputs first",
    "FunctionTransformer": "runs a function of yours, which may be anything; apply it to the "
    "inputs first",
    "KernelPCA": "is not linear",
    "Normalizer": "divides each sample by its own norm, which is not linear",
    "OneHotEncoder": "turns categories into columns; encode the inputs first",
    "PolynomialFeatures": "multiplies features with each other, which is not linear",
    "PowerTransformer": "is not linear; transform the inputs first",
    "QuantileTransformer": "is not linear; transform the inputs first",
    "SimpleImputer": "fills in missing values; fill them in before, and pass the steps after it",
    "SplineTransformer": "is not linear; transform the inputs first",
}


def is_estimator(source: Any) -> bool:
    """Tell whether an object is one of scikit-learn's."""
    return any(base.__module__.startswith("sklearn.") for base in type(source).__mro__)


def read(source: Any) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    name, chain, steps = type(source).__name__, Chain(), list[Step]()
    for part, found in _steps(source):
        with blame(part):
            chain.add(*found)
        steps += found
    with blame(name):
        network = Network(chain.layers(), notes=chain.notes)
    check(name, network.layers, _run(name, source, network.n_out), scaler=leading(steps))
    return network


def _run(name: str, source: Any, n_out: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return what a copy predicts: of two classes the probability of the second."""
    try:
        model = copy.deepcopy(source)
    # Whatever the classes of others raise.
    except Exception as error:
        raise WeightFileError(f"{name}: no copy of it can be made to check it ({error})") from error

    def run(rows: NDArray[Any]) -> NDArray[Any]:
        predict = getattr(model, "predict_proba", None) or model.predict
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as that these rows have no names
                found = predict(rows)
        except Exception as error:
            raise WeightFileError(
                f"{name}: it cannot be run on rows of {rows.shape[1]} numbers, so what was read "
                f"cannot be checked ({error})"
            ) from error
        values: NDArray[Any] = np.asarray(found).reshape(len(rows), -1)
        return values[:, 1:] if n_out == 1 and values.shape[1] == 2 else values

    return run


def _steps(step: Any) -> Iterator[tuple[str, list[Step]]]:
    """Yield what each part of an estimator does, with its name."""
    name = type(step).__name__
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return
    if hasattr(step, "steps"):
        for _, part in step.steps:
            yield from _steps(part)
    elif hasattr(step, "param_grid") or hasattr(step, "param_distributions"):
        if not hasattr(step, "best_estimator_"):
            raise WeightFileError(f"{name}: has no best_estimator_; fit it, with refit=True")
        yield from _steps(step.best_estimator_)
    elif name == "TransformedTargetRegressor":
        yield from _with_target(step)
    else:
        yield name, _known(name, step)


def _known(name: str, step: Any) -> list[Step]:
    """Return what one estimator does; of a subclass, what its parent does."""
    kinds = [base.__name__ for base in type(step).__mro__]
    kind = next((k for k in kinds if k in _REASONS or k in _READERS), name)
    if kind in _REASONS:
        raise WeightFileError(f"{name}: {_REASONS[kind]}")
    with blame(name):
        if kind in _READERS:
            fitted, reader = _READERS[kind]
            if not hasattr(step, fitted):
                raise ValueError("not fitted; call its fit first")
            return reader(step)
        if hasattr(step, "get_support") and hasattr(step, "n_features_in_"):
            return [Linear(np.eye(step.n_features_in_)[step.get_support()])]
    raise WeightFileError(f"{name}: not a step that is read; {READ}")


def _with_target(step: Any) -> Iterator[tuple[str, list[Step]]]:
    """Yield the steps of a regressor, and how its outputs are scaled back."""
    name = "TransformedTargetRegressor"
    if not hasattr(step, "regressor_"):
        raise WeightFileError(f"{name}: not fitted; call its fit first")
    yield from _steps(step.regressor_)
    kind = type(step.transformer_).__name__
    if kind == "FunctionTransformer" and step.func is None and step.inverse_func is None:
        return
    if kind not in _SCALERS:
        raise WeightFileError(
            f"{name}: its targets are transformed by {kind}, which is not one of "
            f"{', '.join(_SCALERS)}; pass its regressor_, whose outputs are transformed targets"
        )
    scaler = _SCALERS[kind](step.transformer_)
    with np.errstate(divide="ignore", invalid="ignore"):
        yield name, [Affine(1 / scaler.gain, -scaler.shift / scaler.gain, scaler.dtype)]


def _perceptron(estimator: Any) -> list[Step]:
    """Return the layers. Of two classes, the output is the probability of the second."""
    layers: list[Step] = []
    for coefficients, intercepts in zip(estimator.coefs_, estimator.intercepts_, strict=True):
        layers += [Linear(coefficients.T, intercepts), Activation(estimator.activation)]
    return [*layers[:-1], Activation(estimator.out_activation_)]


def _affine(n: int, center: Any, scale: Any, shift: Any = None) -> Affine:
    """Return ``(x - center) / scale + shift``; None stands for nothing to do."""
    given = [np.asarray(array) for array in (center, scale, shift) if array is not None]
    c, s, b = (
        np.full(n, default) if array is None else np.asarray(array, np.float64)
        for array, default in ((center, 0.0), (scale, 1.0), (shift, 0.0))
    )
    dtype = np.result_type(np.float32, *given) if given else np.dtype(np.float32)
    return Affine(1 / s, b - c / s, dtype)


# A parameter switches each fitted array off, also after the fit.


def _standard(scaler: Any) -> Affine:
    center = scaler.mean_ if scaler.with_mean else None
    return _affine(scaler.n_features_in_, center, scaler.scale_ if scaler.with_std else None)


def _robust(scaler: Any) -> Affine:
    center = scaler.center_ if scaler.with_centering else None
    return _affine(scaler.n_features_in_, center, scaler.scale_ if scaler.with_scaling else None)


def _range(scaler: Any) -> Affine:
    _refuse_clip(scaler)
    return _affine(scaler.n_features_in_, None, 1 / scaler.scale_, scaler.min_)


def _largest(scaler: Any) -> Affine:
    _refuse_clip(scaler)
    return _affine(scaler.n_features_in_, None, scaler.scale_)


def _refuse_clip(scaler: Any) -> None:
    if getattr(scaler, "clip", False):
        raise ValueError("it clips, which is not linear; use clip=False")


def _components(step: Any) -> list[Step]:
    """Return the projection on principal components, of unit variance if it whitens."""
    components = step.components_
    if step.whiten:
        components = components / np.sqrt(step.explained_variance_)[:, None]
    return [_affine(components.shape[1], step.mean_, None), Linear(components)]


_SCALERS: dict[str, Callable[[Any], Affine]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _range,
    "MaxAbsScaler": _largest,
    "RobustScaler": _robust,
}
_READERS: dict[str, tuple[str, Callable[[Any], list[Step]]]] = {
    **{
        kind: ("n_features_in_", lambda step, scaler=scaler: [scaler(step)])  # type: ignore[misc]
        for kind, scaler in _SCALERS.items()
    },
    "PCA": ("components_", _components),
    "IncrementalPCA": ("components_", _components),
    "TruncatedSVD": ("components_", lambda step: [Linear(step.components_)]),
    "Descrambler": ("rotation_", lambda step: [Linear(step.rotation_.matrix)]),
    "MLPRegressor": ("coefs_", _perceptron),
    "MLPClassifier": ("coefs_", _perceptron),
}
"""For each class the attribute that a fit makes, and what reads it."""
