"""Null kinds: networks that learnt nothing, each kind with its own weights and inputs.

A finding counts only if such networks do not show it too. One draw of a null is a network with inputs,
a :class:`~descrambler.Study`, measured in the same way as the trained network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
import scipy.linalg

from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array
from ..network._layers import Linear
from ..network._network import Network
from ._study import Study

__all__ = ["KINDS", "Null", "Setting", "draw", "random_counterpart"]


@brief
@dataclass(frozen=True, eq=False)
class Setting:
    """What nulls are drawn from.

    Attributes
    ----------
    network : Network
        The trained one.
    inputs : ndarray, shape (m, n_in)
    initial : Network or None
        The same network before training.
    init : callable or None
        From a seed to a newly initialized network.
    ordered : pair of bool
        Whether the order of the inputs and of the outputs means something.
    """

    network: Network
    inputs: Array
    initial: Network | None
    init: Callable[[int], Network] | None = None
    ordered: tuple[bool, bool] = (True, True)

    @property
    def singular_values(self) -> list[Array]:
        """Singular values of each layer's weights, descending."""
        return [values for _, values, _ in self.factors]

    @cached_property
    @computes
    def factors(self) -> list[tuple[Array, Array, Array]]:
        """Singular value decomposition of each layer's weights: U, values, V^T."""
        return [
            scipy.linalg.svd(x.weight.astype(np.float64), full_matrices=False, check_finite=False)
            for x in self.network.linears
        ]

    @cached_property
    @computes
    def initial_values(self) -> list[Array]:
        """Singular values of each layer's initial weights."""
        assert self.initial is not None
        return [
            scipy.linalg.svdvals(x.weight.astype(np.float64), check_finite=False)
            for x in self.initial.linears
        ]

    @cached_property
    def color(self) -> tuple[Array, Array]:
        """Standard deviation of each input, and the amplitude of each Fourier component beyond it."""
        centered = self.inputs - self.inputs.mean(axis=0)
        envelope = np.sqrt(np.mean(np.square(centered), axis=0))
        scaled = centered / np.where(envelope > 0, envelope, 1)
        spectrum = np.abs(scipy.fft.rfft(scaled, axis=1))
        return envelope, np.sqrt(np.mean(np.square(spectrum), axis=0))


@brief
@dataclass(frozen=True)
class Null:
    """One kind of null.

    Attributes
    ----------
    name : str
    weights, inputs : str
        Where they come from.
    purpose : str
        What this null contains instead of learning; a finding must exceed it.
    draw : callable
        From a :class:`Setting` and a Generator to a :class:`~descrambler.Study`.
    """

    name: str
    weights: str
    inputs: str
    purpose: str
    draw: Callable[[Setting, np.random.Generator], Study]


def random_counterpart(network: Network, random_state: int | np.random.Generator = 0) -> Network:
    """Return the network with normal weights and biases of each layer's own r.m.s."""
    rng = np.random.default_rng(random_state)
    return _with_linears(network, [_normal(rng, x) for x in network.linears])


def _with_linears(network: Network, linears: list[Linear]) -> Network:
    rest = iter(linears)
    return Network([next(rest) if isinstance(x, Linear) else x for x in network.layers])


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _drawn(values: Array, linear: Linear, rng: np.random.Generator) -> Linear:
    """Layer with these weights; a bias is redrawn, normal, with its r.m.s."""
    dtype, bias = linear.weight.dtype, linear.bias
    if bias is not None:
        bias = (_rms(bias) * rng.standard_normal(bias.shape)).astype(dtype)
    return Linear(values.astype(dtype), bias)


def _normal(rng: np.random.Generator, linear: Linear) -> Linear:
    w = linear.weight
    return _drawn(_rms(w) * rng.standard_normal(w.shape), linear, rng)


def _rotated(rng: np.random.Generator, linear: Linear, values: Array) -> Linear:
    n_out, n_in = linear.weight.shape
    left, right = _frame(rng, n_out, len(values)), _frame(rng, n_in, len(values))
    return _drawn((left * values) @ right.T, linear, rng)


def _frame(rng: np.random.Generator, n: int, r: int) -> Array:
    """Haar-random orthonormal columns, shape (n, r)."""
    q, triangle = scipy.linalg.qr(
        rng.standard_normal((n, r)), mode="economic", check_finite=False, overwrite_a=True
    )
    signs: Array = q * np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
    return signs


def _untrained(setting: Setting, rng: np.random.Generator) -> Study:
    if setting.init is not None:
        return Study(setting.init(int(rng.integers(2**31))), setting.inputs)
    assert setting.initial is not None
    layers = []
    for linear, values in zip(setting.initial.linears, setting.initial_values, strict=True):
        turned = _rotated(rng, linear, values).weight
        # The entries of a bias have no structure: a shuffle is a fresh draw.
        bias = None if linear.bias is None else rng.permutation(linear.bias)
        layers.append(Linear(turned, bias))
    return Study(_with_linears(setting.initial, layers), setting.inputs)


def _random(setting: Setting, rng: np.random.Generator) -> Study:
    return Study(random_counterpart(setting.network, rng), setting.inputs)


def _turned_network(setting: Setting, rng: np.random.Generator) -> Network:
    pairs = zip(setting.network.linears, setting.singular_values, strict=True)
    return _with_linears(setting.network, [_rotated(rng, x, s) for x, s in pairs])


def _turned(setting: Setting, rng: np.random.Generator) -> Study:
    return Study(_turned_network(setting, rng), setting.inputs)


def _with_first(setting: Setting, rows: Array, rng: np.random.Generator) -> Study:
    """Study with the first weights as given, up to their r.m.s., and random weights after them."""
    first, *others = setting.network.linears
    scale = _rms(first.weight) / (_rms(rows) or 1.0)
    layers = [_drawn(scale * rows, first, rng), *(_normal(rng, x) for x in others)]
    return Study(_with_linears(setting.network, layers), setting.inputs)


def _noise(setting: Setting, rng: np.random.Generator) -> Study:
    envelope, amplitude = setting.color
    n_out, n_in = setting.network.linears[0].weight.shape
    spectrum = scipy.fft.rfft(rng.standard_normal((n_out, n_in)), axis=1) * amplitude
    return _with_first(setting, envelope * scipy.fft.irfft(spectrum, n_in, axis=1), rng)


def _components(setting: Setting, rng: np.random.Generator) -> Study:
    x = setting.inputs
    again = x[rng.integers(len(x), size=len(x))].astype(np.float64)
    _, axes = scipy.linalg.eigh(again.T @ again, driver="evd", check_finite=False)
    n_out, n_in = setting.network.linears[0].weight.shape
    used = min(n_out, n_in)
    mixed = _frame(rng, n_out, used) @ axes[:, ::-1][:, :used].T
    return _with_first(setting, mixed, rng)


def _phases(rng: np.random.Generator, vectors: Array) -> Array:
    """Columns with the signs of their cosine components drawn anew, made orthonormal again."""
    spectrum = scipy.fft.dct(vectors, axis=0, norm="ortho")
    spectrum *= rng.choice([-1.0, 1.0], size=spectrum.shape)
    q, triangle = scipy.linalg.qr(
        scipy.fft.idct(spectrum, axis=0, norm="ortho"), mode="economic", check_finite=False
    )
    signs: Array = q * np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
    return signs


def _smooth(setting: Setting, rng: np.random.Generator) -> Study:
    layers, last = [], len(setting.network.linears) - 1
    for k, (linear, (u, values, vt)) in enumerate(
        zip(setting.network.linears, setting.factors, strict=True)
    ):
        r = len(values)
        left = _phases(rng, u) if k == last and setting.ordered[1] else _frame(rng, len(u), r)
        right = _phases(rng, vt.T) if k == 0 and setting.ordered[0] else _frame(rng, vt.shape[1], r)
        layers.append(_drawn((left * values) @ right.T, linear, rng))
    return Study(_with_linears(setting.network, layers), setting.inputs)


def _white(setting: Setting, rng: np.random.Generator) -> Study:
    x = _rms(setting.inputs) * rng.standard_normal(setting.inputs.shape)
    return Study(_turned_network(setting, rng), x.astype(setting.inputs.dtype))


def _weights_alone(setting: Setting, rng: np.random.Generator) -> Study:
    return Study(_turned_network(setting, rng), None)


UNTRAINED = Null(
    "untrained",
    "Haar-random singular vectors with the initial singular values: a fresh draw that keeps the structure of the initialization, such as orthogonality; or your own `initial` function",
    "yours",
    "the architecture and the initialization",
    _untrained,
)
RANDOM = Null(
    "random weights",
    "normal, as large as each trained layer's",
    "yours",
    "the architecture and the size of the weights",
    _random,
)
HAAR = Null(
    "random directions",
    "Haar-random singular vectors with each trained layer's singular values",
    "yours",
    "the trained singular values",
    _turned,
)
SMOOTH = Null(
    "smooth directions",
    "each trained layer's singular values; singular vectors along ordered axes keep their spectrum and get random signs of their cosine components, the others are Haar-random",
    "yours",
    "smoothness along the axes and the trained singular values (not enough by itself: training on any targets gives more)",
    _smooth,
)
NOISE = Null(
    "colored noise",
    "rows of the first layer are noise with the inputs' color and envelope; later layers random",
    "yours",
    "first weights that look like the inputs, as sums of inputs do",
    _noise,
)
COMPONENTS = Null(
    "principal components",
    "the first layer is the leading principal directions of your inputs (drawn with replacement), mixed at random; later layers random",
    "yours",
    "the principal components of the inputs, with no network",
    _components,
)
WHITE = Null(
    "white inputs",
    "Haar-random singular vectors with each trained layer's singular values",
    "white noise, as strong as your inputs",
    "the criterion, on random weights and unstructured inputs",
    _white,
)
WEIGHTS_ALONE = Null(
    "weights alone",
    "Haar-random singular vectors with each trained layer's singular values",
    "none: each layer is made smooth by its own weights",
    "the criterion applied to the weights themselves",
    _weights_alone,
)

KINDS = (UNTRAINED, RANDOM, HAAR, SMOOTH, NOISE, COMPONENTS, WHITE, WEIGHTS_ALONE)
"""All kinds, in the order of the table in ``docs/nulls.md``."""


@computes
def draw(setting: Setting, kind: Null, seed: int, number: int) -> Study:
    """Return one draw of a kind: each has a seed of its own."""
    place = KINDS.index(kind) if kind in KINDS else len(KINDS)
    sequence = np.random.SeedSequence(seed, spawn_key=(place, number))
    return kind.draw(setting, np.random.default_rng(sequence))
