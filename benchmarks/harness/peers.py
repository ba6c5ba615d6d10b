"""Optimizers of other packages, each as its users would run it, on one :class:`Problem`."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy.optimize

from descrambler._util.validate import Array, require_extra

from .problems import Problem, Smoothness
from .race import Watch

UNLIMITED = 10**9


def _require(module: str) -> Any:
    return require_extra(module, "bench", "a benchmark")


def scipy_generator(problem: Problem, watch: Watch) -> None:
    """L-BFGS-B of SciPy on the Cayley generator, the formulas in NumPy."""
    n = problem.n
    rows, columns = np.tril_indices(n, -1)
    one = np.eye(n)

    def value_and_gradient(x: Array) -> tuple[float, Array]:
        q = np.zeros((n, n))
        q[rows, columns] = x
        k = np.linalg.inv(one + q - q.T)
        value, gradient = problem.value_and_gradient(2 * k - one)
        watch.saw(value)
        m = -2 * k.T @ gradient @ k.T
        return value, (m - m.T)[rows, columns]

    scipy.optimize.minimize(
        value_and_gradient,
        np.zeros(len(rows)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": UNLIMITED, "maxfun": UNLIMITED, "ftol": 0, "gtol": 0},
    )


def _pymanopt(problem: Problem, watch: Watch, optimizer: str, **options: Any) -> None:
    pymanopt = _require("pymanopt")
    optimizers = _require("pymanopt.optimizers")
    manifold = pymanopt.manifolds.SpecialOrthogonalGroup(problem.n)
    on_manifold = pymanopt.function.numpy(manifold)
    # Its optimizers ask for cost and gradient apart: what one has computed serves the other.
    known: list[tuple[Array, tuple[float, Array]]] = []

    def evaluate(p: Array) -> tuple[float, Array]:
        if not known or known[0][0] is not p:
            known[:] = [(p, problem.value_and_gradient(p))]
            watch.saw(known[0][1][0])
        return known[0][1]

    solver = getattr(optimizers, optimizer)(
        max_time=watch.cap,
        max_iterations=UNLIMITED,
        max_cost_evaluations=UNLIMITED,
        min_gradient_norm=0,
        min_step_size=0,
        verbosity=0,
    )
    wrapped = pymanopt.Problem(
        manifold,
        on_manifold(lambda p: evaluate(p)[0]),
        euclidean_gradient=on_manifold(lambda p: evaluate(p)[1]),
        euclidean_hessian=on_manifold(problem.hessian),
    )
    solver.run(wrapped, initial_point=np.eye(problem.n), **options)


def pymanopt_cg(problem: Problem, watch: Watch) -> None:
    """Conjugate gradients of pymanopt."""
    _pymanopt(problem, watch, "ConjugateGradient")


def pymanopt_trust_region(problem: Problem, watch: Watch) -> None:
    """Trust region of pymanopt, with the exact Hessian."""
    _pymanopt(problem, watch, "TrustRegions")


def geoopt_adam(problem: Problem, watch: Watch) -> None:
    """Riemannian Adam of geoopt on the Stiefel manifold."""
    torch, geoopt = _require("torch"), _require("geoopt")
    start = torch.eye(problem.n, dtype=torch.float64)
    p = geoopt.ManifoldParameter(start, manifold=geoopt.EuclideanStiefel())
    optimizer = geoopt.optim.RiemannianAdam([p], lr=0.1)
    while True:
        optimizer.zero_grad()
        value = problem.torch_value(p)
        watch.saw(value.item())
        value.backward()
        optimizer.step()


def torch_orthogonal(problem: Problem, watch: Watch) -> None:
    """PyTorch's orthogonal parametrization (Cayley) with its L-BFGS."""
    torch = _require("torch")
    layer = torch.nn.Linear(problem.n, problem.n, bias=False, dtype=torch.float64)
    orthogonal = torch.nn.utils.parametrizations.orthogonal
    orthogonal(layer, orthogonal_map="cayley")
    layer.weight = torch.eye(problem.n, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(
        layer.parameters(),
        max_iter=UNLIMITED,
        max_eval=UNLIMITED,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Any:
        optimizer.zero_grad()
        value = problem.torch_value(layer.weight)
        watch.saw(value.item())
        value.backward()
        return value

    optimizer.step(closure)


@dataclass(frozen=True)
class Peer:
    """An optimizer and the modules that it needs."""

    name: str
    minimize: Callable[[Problem, Watch], None]
    modules: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """Names of modules that are not installed, empty if it can run."""
        return ", ".join(name for name in self.modules if importlib.util.find_spec(name) is None)

    def run(self, problem: Problem, goal: float, cap: float) -> Watch:
        """Minimize from P = 1 until the relative gap is `goal`, for `cap` seconds at most."""
        watch = Watch(problem.optimum, goal, cap)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # Of their line searches, and of what they import.
            warnings.simplefilter("ignore")
            return watch.time(lambda watch: self.minimize(problem, watch))


PEERS = (
    Peer("SciPy L-BFGS-B, generator", scipy_generator),
    Peer("pymanopt CG", pymanopt_cg, ("pymanopt",)),
    Peer("pymanopt trust region", pymanopt_trust_region, ("pymanopt",)),
    Peer("geoopt Adam", geoopt_adam, ("geoopt", "torch")),
    Peer("torch orthogonal + L-BFGS", torch_orthogonal, ("torch",)),
)


@cache
def warm_up() -> None:
    """Pay for imports, and for what PyTorch does once."""
    for peer in PEERS:
        if not peer.missing:
            peer.run(Smoothness(4, 1), 0.1, 1)
