"""Argument checks: each message names the argument, what was given and what is expected."""

from __future__ import annotations

import importlib
import importlib.util
import operator
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import MissingExtraError
from .arrays import as_numpy

Array = NDArray[np.floating[Any]]


def real_array(name: str, value: ArrayLike, ndim: int, *, finite: bool = True) -> Array:
    """Return `value` as a C-contiguous float32 or float64 array, by default with finite entries.

    float32 and float64 are kept; integers, booleans and half precision become float64.
    """
    check_unmasked(name, value)
    array = as_numpy(value)
    check_array(name, value, array)
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {dimensions(ndim)}, got shape {array.shape}")
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    array = np.require(array, dtype=dtype, requirements=["C", "A"])
    if finite and not np.isfinite(array).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        raise ValueError(
            f"{name} must be finite, got NaN or infinity among its entries, the first at {_named(value, place)}"
        )
    return array


def _named(value: Any, place: tuple[int, ...]) -> str:
    """Return where an entry is: in a table by the names of its row and column."""
    if len(place) == 2 and hasattr(value, "columns") and hasattr(value, "index"):
        return f"row {value.index[place[0]]!r}, column {value.columns[place[1]]!r}"
    return f"index {list(place)}"


def shape_advice(shape: tuple[int, ...], n_columns: int) -> str:
    """Return what may be wrong with a table that has another number of columns."""
    if shape[0] == n_columns:
        return ": it seems to be transposed; one sample per row"
    if shape[1] == n_columns + 1:
        return ": one column too many, such as an index or a target"
    return ""


def dimensions(ndim: int) -> str:
    """Return a number of dimensions in words."""
    return f"{ndim} dimension{'' if ndim == 1 else 's'}"


def as_integer(name: str, value: Any) -> int:
    """Return `value` if it is an integer, of any library."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    return number


def integer(name: str, value: Any, least: int, why: str = "") -> int:
    """Return `value` if it is an integer of at least `least`; `why` ends the message."""
    number = as_integer(name, value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}{why}, got {number}")
    return number


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_unmasked(name: str, value: object) -> None:
    """Check that every entry is stored: none under a mask, which would count, none left out as a zero."""
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must not be masked: fill or drop the masked entries")
    module, kind = type(value).__module__, type(value).__name__
    if module.startswith(("scipy.sparse", "sparse.")):
        raise TypeError(f"{name} must be dense, got a sparse {kind}: pass {name}.toarray()")
    if module.startswith("torch") and str(getattr(value, "layout", "")).startswith("torch.sparse"):
        raise TypeError(f"{name} must be dense, got a sparse {kind}: pass {name}.to_dense()")
    if module.partition(".")[0] == "pandas":
        _check_columns(name, value)


def _check_columns(name: str, table: Any) -> None:
    """Check that the columns of a table become numbers, as nullable ones and text do not."""
    dtypes = getattr(table, "dtypes", None)
    columns = getattr(table, "columns", None)
    if dtypes is None or columns is None:
        return
    for column, dtype in zip(columns, dtypes, strict=True):
        if not isinstance(dtype, np.dtype) or dtype.kind not in "fiub":
            raise TypeError(
                f"{name} must have a dtype of NumPy's real numbers in every column, got {dtype} in "
                f"column {column!r}: where these are numbers, fill the missing ones and pass "
                f"{name}.to_numpy(dtype=float)"
            )


def check_real(name: str, dtype: np.dtype[Any]) -> None:
    """Check that a dtype is of real numbers; bfloat16 is that of ml_dtypes."""
    if dtype.kind not in "fiub" and dtype.name != "bfloat16":
        raise TypeError(f"{name} must be a real numeric array, got dtype {dtype}")


def check_array(name: str, value: object, array: NDArray[Any]) -> None:
    """Check that NumPy has made an array of numbers of `value`; the message names the type of an object."""
    if array.dtype == object and array.ndim == 0:
        raise TypeError(f"{name} must be an array of real numbers, got {type(value).__name__}")
    check_real(name, array.dtype)


def floating(name: str, array: NDArray[Any]) -> Array:
    """Return integers and truth values in float64, and other real numbers as they are."""
    check_real(name, array.dtype)
    return array.astype(np.float64) if array.dtype.kind in "iub" else array


def scalar(arrays: Mapping[str, NDArray[Any]], name: str, kinds: str) -> Any:
    """Return the one number, truth value or text in an array; `kinds` are those of its dtype."""
    value = arrays[name]
    if value.shape != () or value.dtype.kind not in kinds:
        raise ValueError(f"{name} must be one value, got dtype {value.dtype}, shape {value.shape}")
    return value.item()


def working_dtype(dtype: DTypeLike) -> type[np.floating[Any]]:
    """Return float32 or float64, in which one may ask for the work to be done."""
    wanted = np.dtype(dtype)
    if wanted == np.float32:
        return np.float32
    if wanted == np.float64:
        return np.float64
    raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")


def matrix(name: str, value: ArrayLike, *, finite: bool = True) -> Array:
    """Return `value` as a two-dimensional array with at least one entry, by default finite."""
    array = real_array(name, value, 2, finite=finite)
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def own_unit(array: Array, axis: int | None = None) -> tuple[Array, NDArray[np.int32]]:
    """Return an array in units of a power of two near its largest entry, and the exponent.

    Its squares then neither overflow nor vanish; ``np.ldexp(result, exponent)`` undoes it without
    rounding. With an axis, each line along it has a unit of its own.
    """
    largest = np.abs(array).max(axis=axis, keepdims=axis is not None, initial=0)
    exponent: NDArray[np.int32] = np.frexp(largest)[1]
    # Where the power of two is a number too, a product by it is as exact, and several times faster.
    if np.abs(exponent).max(initial=0) < np.finfo(array.dtype).maxexp - 4:
        return array * np.ldexp(array.dtype.type(1), -exponent), exponent
    return np.ldexp(array, -exponent), exponent


def check_squares(name: str, array: Array) -> None:
    """Check that the sum of squares is within the range of float64, unless all are zero."""
    _, exponent = own_unit(array)
    if abs(int(exponent)) > 480:
        largest = np.abs(array).max()
        raise ValueError(
            f"{name} must be within 1e-144 and 1e144, got magnitudes up to {largest:.1e}"
        )


def square(name: str, value: ArrayLike) -> Array:
    """Return `value` as a finite square matrix."""
    array = matrix(name, value)
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} must be square, got shape {array.shape}")
    return array


def frozen(array: Array) -> Array:
    """Return a read-only copy, which later changes to the original do not reach.

    An array that owns its memory and is read-only already is returned as it is.
    """
    if array.base is None and not array.flags.writeable:
        return array
    copy: Array = array.copy()
    copy.setflags(write=False)
    return copy


def choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of `allowed`."""
    if value not in allowed:
        known = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} must be one of {known}, got {value!r}{meant(value, allowed)}")
    return value


def meant(value: object, allowed: Iterable[str]) -> str:
    """Return the question whether a known name was meant, empty where none is near."""
    near = get_close_matches(value, list(allowed), 1, 0.7) if isinstance(value, str) else []
    return f": did you mean {near[0]!r}?" if near else ""


def require_extra(module: str, extra: str, purpose: str) -> Any:
    """Import an optional `module`, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(module, extra, purpose) from error


def find_extra(module: str, extra: str, purpose: str) -> None:
    """Say which extra brings an optional `module` if it is not there, without importing it."""
    if importlib.util.find_spec(module) is None:
        raise _missing(module, extra, purpose)


def _missing(module: str, extra: str, purpose: str) -> MissingExtraError:
    return MissingExtraError(f'{purpose} needs {module}: pip install "descrambler[{extra}]"')
