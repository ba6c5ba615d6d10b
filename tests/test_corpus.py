"""Regression corpus: 55 fixed cases, so that any change of the numbers shows.

`python tests/test_corpus.py --write` makes tests/data/corpus.json anew; its difference is the change.
Only what rounding does not decide is kept: no free signs, no directions within degenerate modes, no
ends of local searches. A number may differ by its case's tolerance times the largest of its case.
"""

import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import descrambler as ds
from descrambler.evidence._study import Study
from descrambler.evidence.detectors import DETECTORS

FILE = Path(__file__).parent / "data" / "corpus.json"

# Rounding, times the condition of the case; float32 results differ by theirs.
DOUBLE, AMPLIFIED, SINGLE = 1e-12, 1e-10, 1e-5


def normal(*shape, seed=0):
    """Numbers that no version of NumPy changes: the legacy generator is frozen."""
    return np.random.RandomState(seed).standard_normal(shape)  # noqa: NPY002


def signals(n, m=60, decay=1.0):
    """Signals with separate modes and clear means: nothing of their rotation is free."""
    mixing = np.linalg.qr(normal(n, n, seed=1))[0]
    return (2 * normal(m, n) + 1.5) * np.logspace(0, -decay, n) @ mixing


def skew(n):
    q = normal(n, n, seed=2) / np.sqrt(n)
    return q - q.T


def told(result, *more):
    return np.concatenate([[result.objective, result.bound], *map(np.ravel, more)])


def smooth(n, criterion="smoothness", *, dtype=np.float64, **options):
    """Objective, bound, resolved modes, and what P makes of two fixed vectors."""
    result = ds.descramble(signals(n).astype(dtype), criterion, **options)
    p = result.rotation.matrix
    return told(result, result.resolved, result.sign_resolved, p @ normal(n, 2, seed=3))


def integers():
    result = ds.descramble(np.round(10 * signals(6)).astype(np.int16))
    return told(result, result.rotation.matrix)


def operator():
    d = normal(9, 6, seed=4)
    return smooth(6, ds.criteria.Smoothness(operator=d))


def rank_deficient():
    x = signals(3) @ normal(3, 12, seed=5)
    result = ds.descramble(x)
    return told(result, result.resolved, result.rotation.matrix)


def local(criterion, method):
    """End of a search that has one optimum only: the quadratic one, found iteratively."""
    return [ds.descramble(signals(6), criterion, method=method, tol=1e-6).objective]


def value(criterion):
    p = ds.group.cayley(skew(7))
    number, gradient = criterion.value_and_gradient(p, signals=signals(7))
    return np.append(gradient.ravel(), number)


def diagonal(w, criterion, side="left"):
    result = ds.diagonalize(w, criterion, side=side)
    if criterion == "norm_square":  # known to its gap, 1e-10; the rotation to the root of that
        return told(result)
    return told(result, np.diagonal(result.rotation.left(w)))


def decaying():
    return normal(12, 12, seed=6) * np.logspace(0, -6, 12)


def low_rank():
    return normal(12, 3, seed=7) @ normal(3, 12, seed=8)


def gram(center=False, dtype=np.float64):
    found = ds.gram(signals(8).astype(dtype), center=center)
    return np.concatenate([found.matrix.ravel(), found.mean, [found.count]])


def added():
    parts = [ds.gram(x, center=True) for x in np.split(signals(8), 3)]
    total = parts[0] + parts[1] + parts[2]
    return np.append(total.matrix.ravel(), total.mean)


def joint():
    result = ds.descramble(ds.joint_gram(ds.gram(signals(8)), normal(5, 8, seed=9)))
    return told(result, result.rotation.matrix @ normal(8, 2, seed=3))


def compared():
    a, b = (ds.descramble(signals(9, m)) for m in (60, 90))
    found = ds.compare(a, b)
    return np.append(found.rotation.ravel(), [found.similarity, found.bound])


def aligned():
    reference = ds.descramble(signals(9, 90))
    return smooth(9, gauge="align", reference=reference)


def charts():
    q, g = skew(7), normal(7, 7, seed=10)
    p = ds.group.exp(q)
    pulled = ds.group.cayley_pullback(q, g), ds.group.exp_pullback(q, g)
    return np.stack([p, ds.group.cayley(q), ds.group.log(p), *pulled])


def polar():
    return ds.group.polar(normal(7, 7, seed=11) + 3 * np.eye(7))


def filtering():
    """Weights that pass a band, with a notch at zero."""
    t, f = np.arange(32), np.arange(24)[:, None]
    center = np.cos(np.pi * (f + 1) * (t + 0.5) / 40)
    return center - center.mean(axis=1, keepdims=True) + 0.01 * normal(24, 32, seed=12)


def bands():
    f, a = ds.analysis.frequencies(32), ds.analysis.aggregate_response(filtering())
    levels = ds.analysis.notch_depth(a), ds.analysis.upper_band_level(a)
    return np.concatenate([a, ds.analysis.pass_band(f, a), levels])


def shares():
    w = filtering()
    values = ds.analysis.singular_vectors(w)[1]
    ranks = ds.analysis.participation_ratio(values), ds.analysis.noise_level(w)
    return [*ranks, ds.analysis.off_diagonal_share(w), *values]


def polynomials():
    vector = np.polynomial.chebyshev.chebval(np.linspace(-1, 1, 40), [0.1, 1, 0.3])
    share, coefficients = ds.analysis.chebyshev_share(vector, 4)
    return np.append(coefficients, share)


def ridge():
    found = ds.analysis.frequency_map(filtering(), "fourier")
    return [found.exponent, found.scale, found.width, *found.share]


def network():
    w, v = filtering()[:16], normal(20, 16, seed=13)
    return ds.Network(
        [ds.Linear(w), ds.Activation("tanh"), ds.Linear(v), ds.Activation("logistic")]
    )


def forward():
    x = normal(5, 32, seed=14)
    return np.concatenate([network()(x).ravel(), network().signals(x, 1, "after").ravel()])


def jacobian():
    return ds.analysis.mean_jacobian(network(), normal(5, 32, seed=14))


def statistics():
    study = Study(network(), normal(400, 32, seed=15).cumsum(axis=1))
    found = [d.statistic(study, k) for d in DETECTORS for k in d.places(study.network)]
    return np.nan_to_num(found, nan=-99)


def kernel():
    return ds.deer.kernel(np.linspace(0, 2, 12), np.linspace(15, 60, 9))


def deer(experiment="deer", dtype=np.float64):
    data = ds.deer.simulate(3, 5, 32, experiment=experiment, dtype=dtype)
    return np.concatenate([data.traces.ravel(), data.distributions.ravel(), data.distance / 60])


def pretrained():
    x = ds.deer.simulate(2, 6).traces
    return ds.deer.pretrained()(x)[:, ::8]


def fitted():
    data = ds.deer.simulate(1, 7, 128)
    trace = ds.deer.Trace(data.time, data.traces[0])
    found = ds.deer.fit_trace(trace)
    return [found.scale, found.rms, *found.model[::8]]


C = ds.criteria
CASES = {
    **{f"smoothness, n={n}": (partial(smooth, n), AMPLIFIED) for n in (1, 2, 3, 7, 8, 40)},
    "smoothness, neumann": (partial(smooth, 8, C.Smoothness(boundary="neumann")), AMPLIFIED),
    "smoothness, dirichlet": (partial(smooth, 9, C.Smoothness(boundary="dirichlet")), AMPLIFIED),
    "smoothness, order 1": (partial(smooth, 8, C.Smoothness(order=1)), AMPLIFIED),
    "smoothness, order 2.5": (partial(smooth, 7, C.Smoothness(order=2.5)), AMPLIFIED),
    "smoothness, operator": (operator, AMPLIFIED),
    "smoothness, float32 signals": (partial(smooth, 8, dtype=np.float32), SINGLE),
    "smoothness, rank 3 nearest the identity": (
        partial(smooth, 8, rank=3, gauge="identity"),
        AMPLIFIED,
    ),
    "smoothness, centered": (partial(smooth, 8, center=True), AMPLIFIED),
    "smoothness, rank 3": (partial(smooth, 12, rank=3), AMPLIFIED),
    "smoothness, rank auto": (partial(smooth, 12, rank="auto"), AMPLIFIED),
    "smoothness, nearest the identity": (partial(smooth, 9, gauge="identity"), AMPLIFIED),
    "smoothness, aligned": (aligned, AMPLIFIED),
    "smoothness, integers": (integers, AMPLIFIED),
    "smoothness, rank-deficient": (rank_deficient, AMPLIFIED),
    "autocorrelation": (partial(smooth, 8, C.Autocorrelation(2, "open")), AMPLIFIED),
    "riemannian-lbfgs": (partial(local, "smoothness", "riemannian-lbfgs"), 1e-9),
    "cayley-lbfgs": (partial(local, "smoothness", "cayley-lbfgs"), 1e-9),
    "periodicity": (partial(value, C.Periodicity(3)), DOUBLE),
    "entropy and sparsity": (partial(value, C.Entropy() + 2 * C.Sparsity()), DOUBLE),
    "kurtosis": (partial(value, C.Kurtosis()), DOUBLE),
    "locality and monotonicity": (partial(value, C.Locality() + C.Monotonicity()), DOUBLE),
    "varimax": (partial(value, C.Orthomax()), DOUBLE),
    "total variation": (partial(value, C.TotalVariation()), DOUBLE),
    "target spectrum": (partial(value, C.TargetSpectrum(np.arange(4.0) + 1)), DOUBLE),
    "sum, random": (partial(diagonal, normal(12, 12, seed=6), "sum"), DOUBLE),
    "sum, low rank": (partial(diagonal, low_rank(), "sum"), AMPLIFIED),
    "norm square, random": (partial(diagonal, normal(12, 12, seed=6), "norm_square"), 1e-9),
    "norm square, decaying": (partial(diagonal, decaying(), "norm_square"), 1e-9),
    "norm square, low rank": (partial(diagonal, low_rank(), "norm_square"), 1e-9),
    "norm square, wide": (partial(diagonal, normal(5, 9, seed=6), "norm_square", "right"), 1e-9),
    "norm square, float32": (partial(diagonal, np.float32(low_rank()), "norm_square"), 1e-6),
    "gram": (gram, DOUBLE),
    "gram, float32, centered": (partial(gram, True, np.float32), SINGLE),
    "gram, parts added": (added, DOUBLE),
    "joint gram": (joint, AMPLIFIED),
    "compare": (compared, AMPLIFIED),
    "charts of the group": (charts, DOUBLE),
    "polar": (polar, DOUBLE),
    "bands": (bands, DOUBLE),
    "shares": (shares, DOUBLE),
    "polynomials and ridge": (lambda: np.append(polynomials(), ridge()), 1e-9),
    "network and Jacobian": (lambda: np.append(forward(), jacobian()), DOUBLE),
    "detectors": (statistics, AMPLIFIED),
    "DEER kernel": (kernel, DOUBLE),
    "DEER simulation": (deer, DOUBLE),
    "RIDME simulation, float32": (partial(deer, "ridme", np.float32), SINGLE),
    "DEERNet": (pretrained, SINGLE),
    "fit of a trace": (fitted, 1e-6),
}


def numbers(name):
    return np.asarray(CASES[name][0](), np.float64).ravel()


@pytest.fixture(scope="module")
def corpus():
    return json.loads(FILE.read_text())


def change(name, corpus):
    """Largest difference, in units of what the case allows."""
    expected = np.asarray(corpus[name])
    allowed = CASES[name][1] * max(np.abs(expected).max(), 1e-300)
    return float(np.abs(numbers(name) - expected).max()) / allowed


@pytest.mark.parametrize("name", CASES)
def test_numbers_have_not_changed(name, corpus):
    assert change(name, corpus) <= 1


def built():
    supported = importlib.import_module("descrambler._core._isa").supported()
    return [x for x in supported if importlib.util.find_spec(f"descrambler._core.{x}")]


def command(option, **environment):
    words = [sys.executable, __file__, option]
    return subprocess.run(words, env=os.environ | environment, check=True, stdout=subprocess.PIPE)


@pytest.mark.parametrize("variant", built())
def test_every_variant_gives_these_numbers(variant):
    command("--check", DESCRAMBLER_ISA=variant)


def test_same_settings_give_the_same_bits():
    one, other = (command("--print", OPENBLAS_NUM_THREADS="2").stdout for _ in range(2))
    assert one.count(b"\n") == len(CASES) and one == other


def test_corpus_is_of_these_cases(corpus):
    assert list(corpus) == list(CASES)


def check():
    corpus = json.loads(FILE.read_text())
    changed = {name: change(name, corpus) for name in CASES}
    sys.exit("\n".join(f"{k}: {x:.1e} x tolerance" for k, x in changed.items() if not x <= 1) or 0)


def lines():
    return [f"{json.dumps(name)}: {json.dumps(numbers(name).tolist())}" for name in CASES]


def write():
    FILE.write_text("{\n" + ",\n".join(lines()) + "\n}\n")


def show():
    print("\n".join(lines()))


if __name__ == "__main__":
    actions = {"--check": check, "--print": show, "--write": write}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit(f"usage: python tests/test_corpus.py {' | '.join(actions)}")
    actions[sys.argv[1]]()
