"""One value and gradient of each criterion against the products and passes that it cannot avoid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import descrambler as ds
from descrambler import _core as core
from descrambler._util.validate import Array
from descrambler.criteria import named
from descrambler.criteria._base import Criterion, Data
from descrambler.group import random_rotation

from .measure import Row, Scale, SideBySide, cost_exponent

TITLE = "One value and gradient against the products and passes that it cannot avoid"
CURVES = "One value and gradient"
ABOUT = """\
The C++ kernel that the optimizers call, once. Criteria of a Gram matrix: their n x n products alone, by the same
Eigen. Criteria of signals (4096 of them): the products X P^T and Y'^T X by the same Eigen, and the elementwise pass from Y
to Y' in NumPy, in blocks of 256 signals that stay in the cache. Exponents are fitted over the sizes above them."""

LIMIT, EXPONENT, LINEAR = 1.5, 3.05, 1.05
SIGNALS, BLOCK = 4096, 256

Pass = Callable[[Array, Array], object]


def _quartic(y: Array, slope: Array) -> object:
    square = y * y
    np.multiply(square, y, out=slope)
    return np.vdot(square, square)


def _entropy(y: Array, slope: Array) -> object:
    square = y * y
    logarithm = np.log(square) - np.log(square.sum(axis=1))[:, None]
    np.multiply(y, logarithm, out=slope)
    return np.vdot(square, logarithm)


def _rounded(x: Array) -> tuple[Array, object]:
    root = np.sqrt(x * x + 0.01)
    return x / root, root.sum()


def _sparsity(y: Array, slope: Array) -> object:
    slope[:], value = _rounded(y)
    return value


def _total_variation(y: Array, slope: Array) -> object:
    step = np.empty_like(y)
    np.subtract(y[:, 1:], y[:, :-1], out=step[:, :-1])
    np.subtract(y[:, 0], y[:, -1], out=step[:, -1])
    pull, value = _rounded(step)
    np.subtract(pull[:, :-1], pull[:, 1:], out=slope[:, 1:])
    np.subtract(pull[:, -1], pull[:, 0], out=slope[:, 0])
    return value


def _monotonicity(y: Array, slope: Array) -> object:
    against = np.minimum(y[:, 1:] - y[:, :-1], 0)
    slope[:, 0] = 0
    slope[:, 1:] = against
    slope[:, :-1] -= against
    return np.vdot(against, against)


def _locality(y: Array, slope: Array) -> object:
    n = y.shape[1]
    angle = 2 * np.pi * np.arange(n) / n
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    square = y * y
    power = square.sum(axis=1)
    center = square @ points
    np.multiply(y, center @ points.T, out=slope)
    return power.sum() - np.sum(center**2 / power[:, None])


PASSES: dict[str, Pass] = {
    "quartimax": _quartic,
    "varimax": _quartic,
    "kurtosis": _quartic,
    "entropy": _entropy,
    "sparsity": _sparsity,
    "total_variation": _total_variation,
    "monotonicity": _monotonicity,
    "locality": _locality,
}
# Products of n x n matrices of the criteria of a Gram matrix.
PRODUCTS = {"smoothness": 2, "autocorrelation": 2, "target spectrum": 3}


def cases(scale: Scale) -> Iterator[Evaluation]:
    """Yield every criterion; the kernels have one thread, whatever the BLAS has."""
    if scale.threads > 1:
        return
    for name in (*PRODUCTS, *PASSES):
        yield Evaluation(name, scale.choose(tiny=(6, 12), quick=(80, 256), full=(256, 512, 1024)))


@dataclass(frozen=True)
class Evaluation:
    """One criterion at several sizes."""

    name: str
    sizes: tuple[int, ...]

    @property
    def case(self) -> str:
        """Name of the criterion."""
        return self.name

    def ours(self) -> object:
        """Evaluate at the smallest size, signals and all."""
        p, data = _point(self.sizes[0], 300)
        return self._criterion(len(p)).evaluate(p, data)

    def check(self) -> None:
        """Assert the gradient by a finite difference."""
        p, data = _point(self.sizes[0], 300)
        criterion = self._criterion(len(p))
        u = np.random.default_rng(1).standard_normal(p.shape) / len(p)
        step = 1e-5
        after, before = (criterion.evaluate(p + s * u, data)[0] for s in (step, -step))
        slope = float(np.vdot(criterion.evaluate(p, data)[1], u))
        assert abs((after - before) / (2 * step) - slope) < 1e-4 * abs(slope) + 1e-6 * abs(after)

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Time it at every size, then at more signals; fit both exponents."""
        self.check()
        m = scale.choose(tiny=300, quick=1024, full=SIGNALS)
        costs: list[tuple[float, float]] = []
        for n in self.sizes:
            for row in self._at(n, m).rows(scale):
                yield replace(row, curve=self.name)
                costs.append((n, row.ours_seconds or np.nan))
        yield self._exponent("n", costs, EXPONENT)
        if self.name in PASSES:
            n = self.sizes[0]
            more: list[tuple[float, float]] = [
                (k * m, row.ours_seconds or np.nan)
                for k in (1, 2, 4)
                for row in self._at(n, k * m).rows(scale)
            ]
            yield self._exponent("the number of signals", more, LINEAR)

    def _exponent(self, of: str, costs: list[tuple[float, float]], limit: float) -> Row:
        case = f"{self.name}, exponent in {of}"
        return Row(case, "C++", value=cost_exponent(costs)[0], limit=limit)

    def _at(self, n: int, m: int) -> SideBySide:
        p, data = _point(n, m)
        kernel, _ = self._criterion(n).kernel(data, np.dtype(np.float64))
        theirs = self._signals_alone(p, data) if self.name in PASSES else self._gram_alone(p, data)
        return SideBySide(
            f"{self.name}, n = {n}",
            "C++",
            lambda: kernel.value_and_gradient(p),
            "products and passes",
            theirs,
            lambda: None,
            LIMIT if n >= 256 else None,
            n=n,
        )

    def _criterion(self, n: int) -> Criterion:
        if self.name == "target spectrum":
            return ds.criteria.TargetSpectrum(1 / (1 + np.arange(n // 2 + 1.0)))
        return named(self.name)

    def _gram_alone(self, p: Array, data: Data) -> Callable[[], object]:
        b = np.ascontiguousarray(data.gram.matrix)

        def work() -> object:
            for _ in range(PRODUCTS[self.name]):
                product = core.multiply(p, b)
            return np.vdot(product, p)

        return work

    def _signals_alone(self, p: Array, data: Data) -> Callable[[], object]:
        x: Any = data.signals
        xt, pt = np.ascontiguousarray(x.T), np.ascontiguousarray(p.T)
        slope = np.empty_like(x)

        def work() -> object:
            y = core.multiply(x, pt)
            for start in range(0, len(y), BLOCK):
                block = slice(start, start + BLOCK)
                PASSES[self.name](y[block], slope[block])
            return core.multiply(xt, slope)

        return work


def _point(n: int, m: int) -> tuple[Array, Data]:
    generator = np.random.default_rng([n, m])
    x = generator.standard_normal((m, n)) * np.logspace(0, -1, n)
    return random_rotation(n, generator), Data.of(None, x)
