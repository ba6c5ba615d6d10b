"""Activations that exporters write as several operations, told by what they compute.

Each value is a term: a coefficient times powers of atoms, where an atom is the signal, a sum of
terms or a function of terms. Atoms are numbered as they are met, and an equal atom has an equal
number, so that a value is as small to compare however often it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Powers: TypeAlias = tuple[tuple[int, float], ...]
Term: TypeAlias = tuple[float, Powers]

SIGNAL: Term = (1.0, ((0, 1),))


class Terms:
    """Terms of one signal, with the numbers of their atoms."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._sums: dict[int, dict[Powers, float]] = {}
        self._known: dict[Powers, tuple[float, str]] = {SIGNAL[1]: (1.0, "identity")}
        for name, make in _FORMS:
            coefficient, powers = make(self)
            self._known.setdefault(powers, (coefficient, name))

    def name(self, term: Term) -> tuple[str, float] | None:
        """Return the activation that a term is a multiple of, and the factor."""
        coefficient, powers = term
        if powers not in self._known:
            return None
        unit, name = self._known[powers]
        factor = coefficient / unit
        return name, 1.0 if math.isclose(factor, 1, rel_tol=1e-5) else factor

    def apply(self, kind: str, options: Mapping[str, Any], given: Sequence[Term]) -> Term:
        """Return the term of one operation; ZeroDivisionError or OverflowError if it has none."""
        match kind, given:
            case "Identity" | "Cast", [a]:
                return a
            case "Neg", [a]:
                return -a[0], a[1]
            case "Add", [a, b]:
                return self._sum(a, b, 1)
            case "Sub", [a, b]:
                return self._sum(a, b, -1)
            case "Mul", [a, b]:
                return _product(a, b, 1)
            case "Div", [a, b]:
                return _product(a, b, -1)
            case "Reciprocal", [a]:
                return _product((1.0, ()), a, -1)
            case "Pow", [a, (exponent, ())] if exponent in (2, 3):
                return _product(a, a, exponent - 1)
            case "HardSigmoid", _:
                options = {"alpha": 0.2, "beta": 0.5} | dict(options)
            case "Clip", [a] if options.keys() == {"min", "max"}:  # before opset 11
                return self._function((kind, ()), a, (options["min"], ()), (options["max"], ()))
            case "Max", [a, b] if (0.0, ()) in (a, b):
                return self._function(("Relu", ()), a if b == (0.0, ()) else b)
        named = tuple((key, _rounded(value)) for key, value in sorted(options.items()))
        return self._function((kind, named), *given)

    def _function(self, kind: Any, *given: Term) -> Term:
        return self._atom((kind, *((_rounded(c), powers) for c, powers in given)))

    def _atom(self, key: Any) -> Term:
        return 1.0, ((self._numbers.setdefault(key, len(self._numbers) + 1), 1),)

    def _sum(self, a: Term, b: Term, sign: int) -> Term:
        total: dict[Powers, float] = {}
        for coefficient, powers in (a, (sign * b[0], b[1])):
            whole = self._sums.get(powers[0][0]) if len(powers) == 1 and powers[0][1] == 1 else None
            for part, share in (whole or {powers: 1.0}).items():
                total[part] = total.get(part, 0.0) + coefficient * share
        terms = sorted((powers, c) for powers, c in total.items() if c)
        if not terms:
            return 0.0, ()
        (powers, first), *others = terms
        if not others:
            return first, powers
        scaled = {powers: c / first for powers, c in terms}
        _, atom = self._atom(("sum", *((p, _rounded(c)) for p, c in scaled.items())))
        self._sums[atom[0][0]] = scaled
        return first, atom


def _product(a: Term, b: Term, exponent: float) -> Term:
    powers = dict(a[1])
    for atom, power in b[1]:
        powers[atom] = powers.get(atom, 0) + exponent * power
    factors = tuple(sorted((atom, power) for atom, power in powers.items() if power))
    return a[0] * b[0] ** exponent, factors


def _rounded(value: Any) -> Any:
    """Return a number to five digits: constants are stored in single precision."""
    return float(f"{value:.5g}") if isinstance(value, int | float) else str(value)


def _f(terms: Terms, kind: str, *given: Any, **options: float) -> Term:
    """Return a function of terms or numbers."""
    return terms.apply(kind, options, [g if isinstance(g, tuple) else (g, ()) for g in given])


Form: TypeAlias = Callable[[Terms], Term]


def _softpluses() -> list[Form]:
    """Return the ways to write softplus; PyTorch leaves out what is below rounding."""

    def log(t: Terms) -> Term:
        return _f(t, "Log", _f(t, "Add", 1.0, _f(t, "Exp", SIGNAL)))

    def node(t: Terms) -> Term:
        return _f(t, "Softplus", SIGNAL)

    def above(inner: Form) -> Form:
        return lambda t: _f(t, "Where", _f(t, "Greater", SIGNAL, 20.0), SIGNAL, inner(t))

    return [log, node, above(log), above(node)]


def _times(*factors: Any) -> Form:
    """Return the signal times numbers and forms."""

    def make(t: Terms) -> Term:
        found = SIGNAL
        for factor in factors:
            found = _f(t, "Mul", found, factor(t) if callable(factor) else factor)
        return found

    return make


def _gelu_tanh(t: Terms, *, outside: bool) -> Term:
    """Return the approximation of GELU by a tanh of ``x + c x^3``, or of ``x (1 + c x^2)``."""
    power = _f(t, "Mul", 0.044715, _f(t, "Pow", SIGNAL, 2.0 if outside else 3.0))
    inner = _f(t, "Add", 1.0 if outside else SIGNAL, power)
    if outside:
        inner = _f(t, "Mul", SIGNAL, inner)
    tanh = _f(t, "Tanh", _f(t, "Mul", math.sqrt(2 / math.pi), inner))
    return _f(t, "Mul", _f(t, "Mul", 0.5, SIGNAL), _f(t, "Add", 1.0, tanh))


def _one_plus(kind: str, factor: float = 1.0) -> Form:
    return lambda t: _f(t, "Add", 1.0, _f(t, kind, _f(t, "Mul", factor, SIGNAL)))


def _below(inner: Form, numerator: Any = 1.0) -> Form:
    return lambda t: _f(t, "Div", numerator, inner(t))


_FORMS: list[tuple[str, Form]] = [
    ("logistic", _below(_one_plus("Exp", -1.0))),
    ("silu", _below(_one_plus("Exp", -1.0), SIGNAL)),
    ("silu", _times(lambda t: _f(t, "Sigmoid", SIGNAL))),
    ("softsign", _below(_one_plus("Abs"), SIGNAL)),
    ("gelu", _times(0.5, _one_plus("Erf", math.sqrt(0.5)))),
    ("gelu_tanh", lambda t: _gelu_tanh(t, outside=False)),
    ("gelu_tanh", lambda t: _gelu_tanh(t, outside=True)),
    ("hard_swish", _times(lambda t: _f(t, "HardSigmoid", SIGNAL, alpha=1 / 6, beta=0.5))),
    ("hard_swish", _times(1 / 6, lambda t: _f(t, "Clip", _f(t, "Add", 3.0, SIGNAL), 0.0, 6.0))),
    *(("softplus", form) for form in _softpluses()),
    *(("mish", _times(lambda t, form=form: _f(t, "Tanh", form(t)))) for form in _softpluses()),
]
