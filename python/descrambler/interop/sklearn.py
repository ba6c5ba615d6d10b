"""The descrambler as a scikit-learn transformer (extra "sklearn")."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import criteria
from .._signals.gram import Gram
from .._signals.sums import gram
from .._solvers.archive import checked_rotation, mask
from .._solvers.descramble import descramble
from .._solvers.result import Descrambling
from .._util.files import documented, read_arrays, write_arrays
from .._util.validate import Array, check_unmasked, require_extra, scalar
from ..criteria import Smoothness

if TYPE_CHECKING:
    from sklearn import base
    from sklearn.utils import validation
else:
    base = require_extra("sklearn.base", "sklearn", "descrambler.interop.sklearn")
    validation = require_extra("sklearn.utils.validation", "sklearn", "descrambler.interop.sklearn")

__all__ = ["Descrambler"]

SCHEMA = "descrambler.sklearn.v1"


class Descrambler(base.ClassNamePrefixFeaturesOutMixin, base.TransformerMixin, base.BaseEstimator):
    """Rotate features so that samples read as smooth (or sparse, ...) curves along them.

    Parameters
    ----------
    criterion : str or criterion, default "smoothness"
    method : str, default "auto"
    gauge : {"canonical", "identity", "none"}, default "canonical"
    rank : int, optional
    random_state : int, Generator or None
        All as in :func:`descrambler.descramble`.

    Attributes
    ----------
    rotation_ : Rotation
        P, one row and one column for each feature.
    resolved_, sign_resolved_ : ndarray of bool, shape (n_features,)
        Which modes the samples determine, and which of these have a determined sign.
    objective_, gap_ : float
        Figure of merit, and its relative distance to the proven bound.
    gram_ : Gram or None
        Gram matrix of all samples seen, uncentered; None if the criterion has no use for it.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        If the samples had names.
    """

    def __init__(
        self,
        criterion: str | Smoothness = "smoothness",
        *,
        method: str = "auto",
        gauge: str = "canonical",
        rank: int | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        self.criterion = criterion
        self.method = method
        self.gauge = gauge
        self.rank = rank
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> Descrambler:
        """Find the rotation for the samples X, shape (n_samples, n_features)."""
        rows = self._rows(X, reset=True)
        return self._keep(descramble(rows, **self._options()))

    def partial_fit(self, X: ArrayLike, y: object = None) -> Descrambler:
        """Add samples to those seen so far, and find the rotation for all of them.

        Only for criteria of the Gram matrix (smoothness). Their number may be any; the sampling error
        of the modes is then that of Gaussian samples.
        """
        first = not hasattr(self, "rotation_")
        seen = gram(self._rows(X, reset=first))
        if not first:
            if self.gram_ is None:
                raise ValueError(
                    "partial_fit needs the Gram matrix of the samples seen so far, and fit did not keep one: "
                    f"{self._without_gram()}"
                )
            seen = self.gram_ + seen
        return self._keep(descramble(seen, **self._options()))

    def transform(self, X: ArrayLike) -> Array:
        """Descrambled samples X P^T."""
        validation.check_is_fitted(self)
        return self.rotation_.right(self._rows(X, reset=False))

    def inverse_transform(self, X: ArrayLike) -> Array:
        """Return samples X P in the original features, from descrambled ones."""
        validation.check_is_fitted(self)
        check_unmasked("X", X)
        rows = validation.check_array(X, dtype=[np.float64, np.float32])
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(f"X must have {self.n_features_in_} columns, got shape {rows.shape}")
        return self.rotation_.inverse().right(rows)

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to an .npz file, without pickle.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        ValueError
            If a parameter cannot be written as text, such as a Generator as random_state.
        """
        validation.check_is_fitted(self)
        arrays: dict[str, ArrayLike] = {
            "parameters": json.dumps(_plain(self.get_params() | {"criterion": None})),
            "determinant": self.rotation_.determinant(),
            **self.rotation_.arrays(),
        }
        arrays |= {name: getattr(self, f"{name}_") for name in _FITTED}
        arrays |= {f"criterion.{name}": value for name, value in _described(self.criterion).items()}
        if self.gram_ is not None:
            parts = {
                "matrix": self.gram_.matrix,
                "mean": self.gram_.mean,
                "count": self.gram_.count,
            }
            arrays |= {f"gram.{name}": value for name, value in parts.items() if value is not None}
        if hasattr(self, "feature_names_in_"):
            arrays["feature_names_in"] = self.feature_names_in_.astype(str)
        write_arrays(path, SCHEMA, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Descrambler:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is not such a file.
        """
        arrays = read_arrays(path, SCHEMA)
        with documented(path, "is not a saved Descrambler"):
            return cls._of(arrays)

    @classmethod
    def _of(cls, arrays: dict[str, Any]) -> Descrambler:
        """Return the estimator of which these are the arrays, checked to be of one size."""
        estimator = cls(**json.loads(scalar(arrays, "parameters", "U")))
        estimator.criterion = _criterion(_part(arrays, "criterion."))
        estimator.rotation_ = checked_rotation(arrays)
        n = estimator.rotation_.n
        for name in ("resolved", "sign_resolved"):
            setattr(estimator, f"{name}_", mask(arrays, name, n))
        for name in ("objective", "gap"):
            setattr(estimator, f"{name}_", float(scalar(arrays, name, "f")))
        parts = _part(arrays, "gram.")
        if "count" in parts:
            parts["count"] = int(scalar(parts, "count", "iu"))
        estimator.gram_ = Gram(**parts) if parts else None
        if estimator.gram_ is not None and estimator.gram_.n != n:
            raise ValueError(f"its Gram matrix has {estimator.gram_.n} units, its rotation {n}")
        estimator.n_features_in_ = estimator._n_features_out = n
        if "feature_names_in" in arrays:
            names = arrays["feature_names_in"]
            if names.dtype.kind != "U" or names.shape != (n,):
                raise ValueError(f"feature_names_in must be {n} names")
            estimator.feature_names_in_ = names.astype(object)
        return estimator

    def _rows(self, X: ArrayLike, *, reset: bool) -> Array:
        check_unmasked("X", X)  # scikit-learn drops masks
        rows: Array = validation.validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], order="C"
        )
        return rows

    def _without_gram(self) -> str:
        if self.rank is None:
            return f"criterion {self.criterion} has no use for it"
        return (
            f"it found the leading modes (rank={self.rank}) without. Begin with partial_fit instead"
        )

    def _options(self) -> dict[str, Any]:
        return {str(name): value for name, value in self.get_params(deep=False).items()}

    def _keep(self, result: Descrambling) -> Descrambler:
        self.rotation_, self.gram_ = result.rotation, result.gram
        for name in _FITTED:
            setattr(self, f"{name}_", getattr(result, name))
        self._n_features_out = result.rotation.n
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


_FITTED = ("resolved", "sign_resolved", "objective", "gap")


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON has them; ValueError names the one that is an object."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in parameters.items()}
    for name, value in plain.items():
        if value is not None and not isinstance(value, bool | int | float | str):
            raise ValueError(
                f"{name} must be a number, a text or None to be saved, got {type(value).__name__}; "
                f"set_params({name}=None) and save again"
            )
    return plain


def _part(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _described(criterion: object) -> dict[str, Any]:
    """Name of a criterion, and its settings where it is an object."""
    if isinstance(criterion, str):
        return {"name": criterion}
    name = type(criterion).__name__
    if not is_dataclass(criterion) or getattr(criteria, name, None) is not type(criterion):
        raise ValueError(f"save needs a criterion of descrambler.criteria, got {criterion!r}")
    settings = {f.name: getattr(criterion, f.name) for f in fields(criterion)}
    return {"class": name} | {k: v for k, v in settings.items() if v is not None}


def _criterion(described: dict[str, Any]) -> Any:
    if "name" in described:
        return str(described["name"])
    name = str(described.pop("class"))
    if name not in criteria.__all__:
        raise ValueError(f"criterion must be one of {', '.join(criteria.__all__)}, got {name!r}")
    return getattr(criteria, name)(**{k: v if v.ndim else v.item() for k, v in described.items()})
