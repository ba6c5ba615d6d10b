"""The user's own figure of merit: a Python callable, or a PyTorch function differentiated by autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core as core
from .._geometry.charts import exp, random_rotation
from .._util.tables import brief
from .._util.threads import product
from .._util.validate import Array, choice, require_extra
from ..errors import GradientError
from ._base import Criterion
from ._forms import Assembly, Data

Function = Callable[[Array], tuple[float, Array]]


@brief
@dataclass(frozen=True, eq=False)
class Custom(Criterion):
    """The user's own criterion.

    Parameters
    ----------
    function : callable
        Takes P, shape (n, n), or the descrambled signals Y = S P^T, shape (m, n); returns the value
        and its gradient with respect to that argument, of the same shape. With ``autograd=True`` it
        takes a PyTorch tensor and returns a scalar tensor, and the gradient is found by autograd.
    of : {"signals", "rotation"}
        What the function takes. Unlike the criteria of this package it sees all signals at once.
    maximize : bool
    autograd : bool
        Whether the function is a PyTorch one; needs the extra `torch`.
    check : bool
        Compare the gradient once with finite differences before the first iteration.
    name : str

    Raises
    ------
    GradientError
        When it is used, if the gradient does not agree with finite differences.
    MissingExtraError
        If autograd is asked for without PyTorch.
    TypeError, ValueError
        If the function is not callable, or returns what it should not.
    """

    function: Callable[[Any], Any]
    of: str = "signals"
    maximize: bool = False  # type: ignore[misc]
    autograd: bool = False
    check: bool = True
    name: str = "custom"

    def __post_init__(self) -> None:
        choice("of", self.of, ("signals", "rotation"))
        if not callable(self.function):
            raise TypeError(f"function must be callable, got {self.function!r}")
        if self.autograd:
            require_extra("torch", "torch", "a criterion differentiated by autograd")

    @property
    def needs_signals(self) -> bool:  # type: ignore[override]
        """Whether the function is one of the signals."""
        return self.of == "signals"

    def __str__(self) -> str:
        return f"{self.name} (user's function of the {self.of})"

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the function, called from C++."""
        function = self._of_rotation(assembly.data, assembly.dtype)
        value, _ = function(np.eye(assembly.data.n, dtype=assembly.dtype))
        scale = abs(value) or 1.0
        part = core.UserCriterion(function, assembly.data.n, scale, assembly.dtype)
        assembly.add_part(weight, part)

    def check_once(self, data: Data) -> None:
        """Raise GradientError where the gradient is wrong, unless checks are switched off."""
        if self.check:
            check_gradient(self._of_rotation(data, np.dtype(np.float64)), data.n, str(self))

    def _of_rotation(self, data: Data, dtype: np.dtype[np.floating]) -> Function:
        function = user_function(self.function, self.autograd, str(self))
        if self.of == "rotation":
            return function
        rows = data.rows(self, dtype)

        def evaluate(p: Array) -> tuple[float, Array]:
            value, slope = function(rows @ p.T)
            return value, np.ascontiguousarray(slope.T @ rows)

        return evaluate


def user_function(function: Callable[[Any], Any], autograd: bool, name: str) -> Function:
    """Return a user's function with its answers checked, differentiated where it is PyTorch's."""
    own = _differentiated(function) if autograd else function
    return lambda argument: _checked(own(argument), argument, name)


def _checked(answer: Any, argument: Array, criterion: str) -> tuple[float, Array]:
    """Value and gradient of the user's function, or a clear error."""
    try:
        value, gradient = answer
        value, gradient = float(value), np.asarray(gradient)
    except (TypeError, ValueError):
        raise TypeError(f"{criterion} must return (value, gradient), got {answer!r}") from None
    if gradient.shape != argument.shape:
        raise ValueError(
            f"{criterion} must return a gradient of shape {argument.shape}, got {gradient.shape}"
        )
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        raise ValueError(f"{criterion} returned a value or gradient that is not finite")
    return value, np.ascontiguousarray(gradient, argument.dtype)


def _differentiated(function: Callable[[Any], Any]) -> Function:
    """Value and gradient of a PyTorch function."""
    torch = require_extra("torch", "torch", "a criterion differentiated by autograd")

    def evaluate(argument: Array) -> tuple[float, Array]:
        tensor = torch.tensor(argument, requires_grad=True)
        value = function(tensor)
        (gradient,) = torch.autograd.grad(value, tensor)
        return float(value.item()), gradient.numpy()

    return evaluate


def check_gradient(function: Function, n: int, name: str = "the function") -> None:
    """Compare a gradient with finite differences of its function along curves in SO(n).

    Parameters
    ----------
    function : callable
        P, shape (n, n) -> value, Euclidean gradient d value / dP. Only its part along the group counts.
    n : int
    name : str
        What to call it in the error.

    Raises
    ------
    GradientError
        If the two differ by more than rounding and curvature explain.
    """
    generator = np.random.default_rng(0)
    p, h = random_rotation(n, generator), 1e-5
    value, gradient = function(p)
    for _ in range(2):
        direction = generator.standard_normal((n, n))
        direction = direction - direction.T
        # Not the norm of NumPy, which is a product of BLAS and wakes its threads.
        direction /= np.sqrt(np.sum(np.square(direction)))
        step = exp(h * direction)
        ahead, behind = (function(product(turn, p, n))[0] for turn in (step, step.T))
        found = (ahead - behind) / (2 * h)
        stated = float(np.sum(gradient * product(direction, p, n)))
        curvature = abs(ahead - 2 * value + behind) / h**2
        rounding = 1e-14 * max(abs(ahead), abs(behind)) / h
        if (
            abs(found - stated)
            > 1e-4 * max(abs(found), abs(stated)) + h * curvature + 100 * rounding
        ):
            raise GradientError(
                f"the gradient of {name} disagrees with finite differences: along a random rotation the "
                f"value changes by {found:.6g} per radian, the gradient says {stated:.6g}, a factor of "
                f"{stated / found if found else np.inf:.4g}; pass check=False if the function is not smooth"
            )
