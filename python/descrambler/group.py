"""The rotation group SO(n): charts, their inverses and pull-backs, projection, and minimization on it.

A generator is a skew-symmetric matrix Q. Two charts lead from generators to rotations, the Cayley map
``P = (1 + Q)^-1 (1 - Q)`` (Amey et al. 2021, Eq. 7) and the exponential ``P = exp(Q)``; neither inverse
reaches a P that has an eigenvalue -1. float32 and float64 are kept; all else becomes float64.
"""

from ._geometry.charts import (
    cayley,
    cayley_pullback,
    exp,
    exp_pullback,
    inverse_cayley,
    log,
    pack_generator,
    polar,
    random_rotation,
    unpack_generator,
)
from ._geometry.checks import orthogonal
from ._solvers.minimize import minimize

__all__ = [
    "cayley",
    "cayley_pullback",
    "exp",
    "exp_pullback",
    "inverse_cayley",
    "log",
    "minimize",
    "orthogonal",
    "pack_generator",
    "polar",
    "random_rotation",
    "unpack_generator",
]
