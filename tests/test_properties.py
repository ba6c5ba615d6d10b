"""Every public function that takes arrays, on arrays of every kind: a sound result, or a clear error.

Sound is a result whose numbers are all finite, unless documented otherwise; clear is an error of ours, a
TypeError or a ValueError, that names the argument. A warning that is not ours counts as a defect.
"""

import dataclasses
import re
import warnings
from functools import partial

import dask.array
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import descrambler as ds
from descrambler import analysis, criteria, deer, group
from descrambler._solvers import eigenpairs
from descrambler.evidence import detectors, nulls

try:
    import torch
except ImportError:
    torch = None

bridges = ds.interop
MODULES = (
    *(ds, analysis, criteria, deer, detectors, group, nulls),
    *(bridges.sklearn, *([bridges.torch] if torch else [])),
)


def draw(*shape, seed=9):
    return np.random.default_rng(seed).standard_normal(shape)


def skew(x):
    """Of a square array, its skew part; what is not square is left to the function."""
    is_square = x.ndim == 2 and x.shape[0] == x.shape[1] and x.dtype.kind == "f"
    return x - x.T if is_square and np.isfinite(x).all() else x


def squared(x):
    """Of a matrix of numbers, its Gram matrix."""
    with np.errstate(all="ignore"):
        return x @ x.T if x.ndim == 2 and x.dtype.kind == "f" and type(x) is np.ndarray else x


def repeated(x, count, axis):
    """Of a matrix, its rows or columns again and again."""
    n = x.shape[axis] if x.ndim == 2 else 0
    return x.take(np.arange(count) % n, axis) if n else x


def scaled(x):
    """Of a matrix of numbers, its rows in several sizes: enough distinct ones to judge a network by."""
    plain = type(x) is np.ndarray and x.ndim == 2 and x.dtype.kind == "f"
    return np.concatenate([x * size for size in np.arange(1, 2, 0.125)]) if plain else x


def chain(n_in, n_out=4):
    n_in, n_out = n_in or 1, n_out or 1
    w, v = draw(5, n_in) / np.sqrt(n_in), draw(n_out, 5)
    return ds.Network([ds.Linear(w), ds.Activation("tanh"), ds.Linear(v)])


def axis(n):
    return np.arange(1.0, n + 1)


def bounded(loss_of):
    """Return a loss for a matrix: how far it is from another."""
    return lambda w: float(np.mean(np.square(np.tanh(w - loss_of))))


def trace(signal):
    return deer.Trace(np.linspace(0, 2, np.shape(signal)[-1]), signal)


def results(n):
    return [ds.descramble(draw(30, n or 1, seed=s)) for s in (1, 2)]


def criterion(make):
    def call(x):
        return make().value_and_gradient(np.eye(x.shape[-1]), signals=x)

    return call


def streamed(x):
    """Leading modes of signals that are read anew for each product, as those of wide layers are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eigenpairs, "LEAST_UNITS", 64)
        return ds.descramble(repeated(x, 64, 1), rank=1)


def linear(n_in, n_out=2):
    """Return a PyTorch model of one layer in float64."""
    layer = torch.nn.Linear(n_in, n_out, dtype=torch.float64)
    with torch.no_grad():
        layer.weight[:] = torch.as_tensor(draw(n_out, n_in))
    return torch.nn.Sequential(layer)


def captured(x, tap="0:input", n_out=2, **options):
    """Return a PyTorch model of one layer, and what is captured at its tap when x is put in."""
    if x.dtype.kind not in "fiub" or np.ma.isMaskedArray(x) or x.shape[-1] == 0:
        raise TypeError("signals must be what PyTorch has")
    model = linear(x.shape[-1], n_out)
    tensor = torch.as_tensor(np.array(x, np.float64))
    return model, bridges.torch.capture(model, [tensor], tap, **options)


def descrambled_layer(x):
    layer = bridges.torch.descramble_module(*captured(x, keep="signals"))["0:input"]
    return layer.result, layer.weight.numpy()


def descrambled_samples(x):
    estimator = bridges.sklearn.Descrambler().fit(x)
    return estimator.transform(x), estimator.objective_, estimator.gap_


def data_of(m, n):
    return deer.simulate(m, n_points=n)


# name: the arrays it takes, each with its number of dimensions and a call that gives it.
TABLE = {
    "descrambler.BatchNorm": {
        "mean": (1, lambda x: ds.BatchNorm(x, np.ones(x.shape[-1]))),
        "variance": (1, lambda x: ds.BatchNorm(np.zeros(x.shape[-1]), x)),
        "scale": (1, lambda x: ds.BatchNorm(*np.ones((2, x.shape[-1])), scale=x)),
    },
    "descrambler.Gram": {"matrix": (2, lambda x: ds.Gram(squared(x)).matrix)},
    "descrambler.Linear": {
        "weight": (2, lambda x: ds.Linear(x).weight),
        "bias": (1, lambda x: ds.Linear(draw(x.shape[-1] or 1, 3), x).bias),
    },
    "descrambler.Network": {
        "x": (2, lambda x: chain(x.shape[-1])(x)),
        "inputs|x": (2, lambda x: chain(x.shape[-1]).signals(x, 1, "after")),
        "signals|x": (2, lambda x: chain(x.shape[-1]).gram(x, 1, "before").matrix),
    },
    "descrambler.Rotation": {
        "weights": (2, lambda x: ds.Rotation(np.eye(x.shape[0]), x.shape[0]).left(x)),
        "weights ": (2, lambda x: ds.Rotation(np.eye(x.shape[-1]), x.shape[-1]).right(x)),
    },
    "descrambler.align": {
        "signals_a|signals": (
            2,
            lambda x: ds.align(x, np.random.default_rng(0).standard_normal(x.shape), nulls=0),
        ),
    },
    "descrambler.compare": {
        "weights": (2, lambda x: ds.compare(*results(x.shape[0]), weights=(x, x))),
    },
    "descrambler.descramble": {
        "signals": (2, ds.descramble),
        "signals|rank": (2, lambda x: ds.descramble(x, rank=1)),
        "signals   ": (2, streamed),
        "signals ": (2, lambda x: ds.descramble(x, "varimax", max_iter=3)),
        "signals  ": (2, lambda x: ds.descramble(x, "entropy", max_iter=3)),
        "gram|matrix": (2, lambda x: ds.descramble(ds.Gram(squared(x)))),
        "gram|matrix ": (2, lambda x: ds.descramble(ds.Gram(x))),
    },
    "descrambler.diagonalize": {
        "weights": (2, ds.diagonalize),
        "weights ": (2, lambda x: ds.diagonalize(x, "norm_square", max_iter=50)),
        "weights  ": (2, lambda x: ds.diagonalize(x, "norm_square", side="right", max_iter=50)),
    },
    "descrambler.ensemble": {
        "inputs|signals": (2, lambda x: ds.ensemble([chain(x.shape[-1])] * 2, repeated(x, 64, 0))),
    },
    "descrambler.gram": {
        "signals": (2, ds.gram),
        "signals ": (2, lambda x: ds.gram(x, center=True)),
        "signals  ": (2, lambda x: ds.gram(x, dtype="float32")),
    },
    "descrambler.interpret": {
        "inputs|signals": (
            2,
            lambda x: (
                ds.interpret(chain(x.shape[-1]), scaled(x), nulls=20, detectors=())
                .study.links[0]
                .before
            ),
        ),
    },
    "descrambler.joint_gram": {
        "next_weights": (2, lambda x: ds.joint_gram(ds.gram(draw(9, x.shape[-1] or 1)), x)),
    },
    "descrambler.analysis.aggregate_response": {"weights": (2, analysis.aggregate_response)},
    "descrambler.analysis.band_cut": {
        "weights": (2, lambda x: analysis.band_cut(x, bounded(0.5), 0.1, 0.3)),
    },
    "descrambler.analysis.chebyshev_share": {
        "vector": (1, lambda x: analysis.chebyshev_share(x, 1)),
    },
    "descrambler.analysis.diagonal_share": {"weights": (2, analysis.diagonal_share)},
    "descrambler.analysis.directional_gain": {
        "inputs|x": (
            2,
            lambda x: analysis.directional_gain(chain(x.shape[-1]), x, draw(2, x.shape[-1])),
        ),
        "directions": (
            2,
            lambda x: analysis.directional_gain(chain(x.shape[-1]), draw(3, x.shape[-1] or 1), x),
        ),
    },
    "descrambler.analysis.frequency_law": {
        "jacobian|x": (2, lambda x: analysis.frequency_law(x, axis(x.shape[0]))),
        "axis|x": (1, lambda x: analysis.frequency_law(draw(x.shape[0] or 1, 12), x)),
    },
    "descrambler.analysis.frequency_map": {"weights": (2, analysis.frequency_map)},
    "descrambler.analysis.frequency_response": {"weights": (2, analysis.frequency_response)},
    "descrambler.analysis.functional_rank": {
        "weights": (2, lambda x: analysis.functional_rank(x, bounded(0.5))),
    },
    "descrambler.analysis.band_pass_level": {"response": (1, analysis.band_pass_level)},
    "descrambler.analysis.expected_diagonal_share": {
        "values": (1, analysis.expected_diagonal_share),
    },
    "descrambler.analysis.frequency_order": {
        "jacobian": (2, analysis.frequency_order),
        "axis": (1, lambda x: analysis.frequency_order(draw(x.shape[0] or 1, 12), x)),
    },
    "descrambler.analysis.output_frequencies": {"jacobian": (2, analysis.output_frequencies)},
    "descrambler.analysis.shape_share": {"vectors": (2, analysis.shape_share)},
    "descrambler.analysis.gain": {
        "weights": (2, lambda x: analysis.gain(x, draw(2, x.shape[-1]))),
        "directions": (2, lambda x: analysis.gain(draw(3, x.shape[-1] or 1), x)),
    },
    "descrambler.analysis.gain_ratio": {
        "nuisance": (1, lambda x: analysis.gain_ratio(x, np.ones(2))),
        "signal": (1, lambda x: analysis.gain_ratio(np.ones(2), x)),
    },
    "descrambler.analysis.irrep_energy": {"weights": (2, analysis.irrep_energy)},
    "descrambler.analysis.jacobians": {
        "inputs|x": (2, lambda x: analysis.jacobians(chain(x.shape[-1]), x)),
    },
    "descrambler.analysis.kernel_match": {
        "jacobian": (
            2,
            lambda x: analysis.kernel_match(x, draw(x.shape[-1], 6), axis(x.shape[0]), axis(6)),
        ),
        "kernel": (
            2,
            lambda x: analysis.kernel_match(
                draw(6, x.shape[0] or 1), x, axis(6), axis(x.shape[-1])
            ),
        ),
    },
    "descrambler.analysis.layer_loss": {
        "inputs": (
            2,
            lambda x: analysis.layer_loss(chain(x.shape[-1]), 1, x, draw(x.shape[0] or 1, 4))(
                draw(5, x.shape[-1])
            ),
        ),
        "targets": (
            2,
            lambda x: analysis.layer_loss(chain(6, x.shape[-1]), 1, draw(x.shape[0] or 1, 6), x)(
                draw(5, 6)
            ),
        ),
    },
    "descrambler.analysis.match_bases": {"vectors|count": (2, analysis.match_bases)},
    "descrambler.analysis.mean_jacobian": {
        "inputs|x": (2, lambda x: analysis.mean_jacobian(chain(x.shape[-1]), x)),
    },
    "descrambler.analysis.mode_order": {
        "weights": (2, lambda x: analysis.mode_order(x, axis(x.shape[0]))),
        "axis": (1, lambda x: analysis.mode_order(draw(x.shape[0] or 1, 12), x)),
    },
    "descrambler.analysis.mode_purity": {
        "vectors": (2, lambda x: analysis.mode_purity(x, np.ones(x.shape[0]))),
        "values": (1, lambda x: analysis.mode_purity(draw(x.shape[0] or 1, 12), x)),
    },
    "descrambler.analysis.noise_level": {"weights": (2, analysis.noise_level)},
    "descrambler.analysis.notch_depth": {"response": (1, analysis.notch_depth)},
    "descrambler.analysis.off_diagonal_share": {"weights": (2, analysis.off_diagonal_share)},
    "descrambler.analysis.participation_ratio": {"values": (1, analysis.participation_ratio)},
    "descrambler.analysis.pass_band": {
        "response": (1, lambda x: analysis.pass_band(axis(x.shape[-1]), x)),
        "frequency|response": (1, lambda x: analysis.pass_band(x, np.ones(x.shape[-1]))),
    },
    "descrambler.analysis.power_law": {
        "x": (1, lambda x: analysis.power_law(x, axis(x.shape[-1]))),
        "y": (1, lambda x: analysis.power_law(axis(x.shape[-1]), x)),
    },
    "descrambler.analysis.principal_components": {
        "data|count": (2, lambda x: analysis.principal_components(x, 1)),
    },
    "descrambler.analysis.singular_vectors": {"weights": (2, analysis.singular_vectors)},
    "descrambler.analysis.split_half": {
        "signals|sizes": (2, lambda x: analysis.split_half(x, draw(x.shape[-1], 3), n_splits=1)),
        "weights": (2, lambda x: analysis.split_half(draw(40, x.shape[0] or 1), x, n_splits=1)),
    },
    "descrambler.analysis.subspace_overlap": {
        "first": (2, lambda x: analysis.subspace_overlap(x, draw(*x.shape))),
        "second": (
            2,
            lambda x: analysis.subspace_overlap(draw(x.shape[0] or 1, 2), x, centered=False),
        ),
    },
    "descrambler.analysis.two_sided_spectrum": {"weights": (2, analysis.two_sided_spectrum)},
    "descrambler.analysis.upper_band_level": {"response": (1, analysis.upper_band_level)},
    "descrambler.analysis.values_above_noise": {"weights": (2, analysis.values_above_noise)},
    "descrambler.analysis.without_band": {
        "weights": (2, lambda x: analysis.without_band(x, 0.1, 0.3)),
    },
    **{
        f"descrambler.criteria.{make.__name__}": {"signals": (2, criterion(make))}
        for make in (
            criteria.Autocorrelation,
            criteria.Entropy,
            criteria.Kurtosis,
            criteria.Locality,
            criteria.Monotonicity,
            criteria.Orthomax,
            criteria.Sparsity,
            criteria.TotalVariation,
        )
    },
    "descrambler.criteria.DiagonalNormSquare": {
        "W": (2, lambda x: criteria.DiagonalNormSquare(x).value_and_gradient(np.eye(x.shape[0]))),
    },
    "descrambler.criteria.DiagonalSum": {
        "W": (2, lambda x: criteria.DiagonalSum(x).value_and_gradient(np.eye(x.shape[0]))),
    },
    "descrambler.criteria.Periodicity": {
        "signals|period": (2, criterion(partial(criteria.Periodicity, 2.0))),
    },
    "descrambler.criteria.Smoothness": {
        "signals": (2, criterion(criteria.Smoothness)),
        "operator": (
            2,
            lambda x: ds.descramble(draw(9, x.shape[-1]), criteria.Smoothness(operator=x)),
        ),
    },
    "descrambler.criteria.TargetAutocorrelation": {
        "target|P": (
            1,
            lambda x: criteria.TargetAutocorrelation(x).value_and_gradient(
                np.eye(2 * x.shape[-1] - 1), signals=draw(5, 2 * x.shape[-1] - 1)
            ),
        ),
    },
    "descrambler.criteria.TargetCovariance": {
        "target": (
            2,
            lambda x: criteria.TargetCovariance(squared(x)).value_and_gradient(
                np.eye(x.shape[0]), signals=draw(5, x.shape[0])
            ),
        ),
    },
    "descrambler.criteria.TargetSpectrum": {
        "target|P": (
            1,
            lambda x: criteria.TargetSpectrum(x).value_and_gradient(
                np.eye(2 * x.shape[-1] - 1), signals=draw(5, 2 * x.shape[-1] - 1)
            ),
        ),
    },
    "descrambler.criteria.WeightedSum": {
        "signals": (2, criterion(lambda: criteria.Smoothness() + criteria.Locality())),
    },
    "descrambler.deer.Trace": {
        "signal": (1, lambda x: trace(x).signal),
        "time": (1, lambda x: deer.Trace(x, draw(x.shape[-1])).time),
    },
    "descrambler.deer.dipolar_frequency": {"distance": (1, deer.dipolar_frequency)},
    "descrambler.deer.fit_trace": {"signal|trace": (1, lambda x: deer.fit_trace(trace(x)))},
    "descrambler.deer.kernel": {
        "time": (1, lambda x: deer.kernel(x, axis(3) * 10)),
        "distance": (1, lambda x: deer.kernel(axis(3), x)),
    },
    "descrambler.deer.mean_squared_error": {
        "output": (
            2,
            lambda x: deer.mean_squared_error(x, data_of(x.shape[0], max(x.shape[-1], 4))),
        ),
    },
    "descrambler.deer.modulation": {"signal|trace": (1, lambda x: deer.modulation(trace(x)))},
    "descrambler.deer.network_inputs": {
        "traces": (2, lambda x: deer.network_inputs(repeated(x, 512, 1)))
    },
    "descrambler.deer.overlap": {
        "output": (2, lambda x: deer.overlap(x, np.ones(x.shape))),
        "truth": (2, lambda x: deer.overlap(np.ones((x.shape[0] or 1, x.shape[-1] or 1)), x)),
    },
    "descrambler.deer.prepare": {"signal|zero": (1, lambda x: deer.prepare(trace(x)))},
    # What scikit-learn's own checks refuse, they say in their words.
    "descrambler.interop.sklearn.Descrambler": {
        "X|signals|array|data|string": (2, descrambled_samples),
    },
    "descrambler.interop.torch.capture": {
        "signals?": (2, lambda x: captured(x)[1]),
        "signals? ": (2, lambda x: captured(x, "0:output", n_out=20)[1]),
    },
    "descrambler.interop.torch.descramble_module": {"signals?": (2, descrambled_layer)},
    "descrambler.group.cayley": {"Q": (2, lambda x: group.cayley(skew(x)))},
    "descrambler.group.cayley_pullback": {
        "Q": (2, lambda x: group.cayley_pullback(skew(x), draw(*x.shape))),
        "G": (2, lambda x: group.cayley_pullback(np.zeros((x.shape[0] or 1,) * 2), x)),
    },
    "descrambler.group.exp": {"Q": (2, lambda x: group.exp(skew(x)))},
    "descrambler.group.exp_pullback": {
        "Q": (2, lambda x: group.exp_pullback(skew(x), draw(*x.shape))),
        "G": (2, lambda x: group.exp_pullback(np.zeros((x.shape[0] or 1,) * 2), x)),
    },
    "descrambler.group.inverse_cayley": {"P": (2, group.inverse_cayley)},
    "descrambler.group.log": {"P": (2, group.log)},
    "descrambler.group.minimize": {
        "start": (
            2,
            lambda x: group.minimize(lambda p: (np.trace(p), np.eye(len(p))), x, max_iter=3),
        ),
    },
    "descrambler.group.orthogonal": {"M": (2, partial(group.orthogonal, "M"))},
    "descrambler.group.pack_generator": {"Q": (2, lambda x: group.pack_generator(skew(x)))},
    "descrambler.group.polar": {"M": (2, group.polar)},
    "descrambler.group.unpack_generator": {"packed": (1, group.unpack_generator)},
}

RECORDS = """
    ChartError Comparison ConvergenceWarning Descrambling DescramblerError DescramblerWarning Ensemble
    Finding GradientError Interpretation Leading MissingExtraError NoModulationError Starts State
    Status Step UnlimitedMemoryWarning WeightFileError analysis.Band analysis.BasisMatch analysis.FrequencyLaw
    analysis.FrequencyMap analysis.KernelMatch analysis.PowerLaw analysis.SplitHalf
    criteria.Criterion deer.DeerData deer.DistanceDistribution
    deer.Modulation deer.Peak deer.Penalties deer.Pretrained deer.Replica deer.TraceFit
    deer.TrainState evidence.detectors.Axes evidence.detectors.Detector evidence.detectors.Part interop.torch.DescrambledLinear
    interop.torch.Verification evidence.nulls.Null evidence.nulls.Setting Panel Study ReaderProcessError
    Alignment LayerInterpretation deer.Calibration deer.Coverage deer.OtherBackground deer.OtherDistribution
    deer.Sampling interop.torch.CanonicalGauge interop.torch.DescrambledConv1d interop.torch.HeadSpace
    interop.torch.Heads interop.torch.ResidualStream interop.torch.RotatedCheckpoint interop.torch.Stream
    interop.torch.StreamVerification
"""
SCALARS = """
    Activation Axis Renormalize show_config analysis.frequencies
    analysis.random_diagonal_share criteria.Custom criteria.check_gradient criteria.link_basis deer.distance_range
    deer.controls deer.pretrained deer.replica deer.simulate deer.train deer.variations group.random_rotation
"""
FILES = """
    load load_result deer.load_background deer.load_calibration deer.load_distribution deer.load_parameters
    deer.load_trace deer.load_traces interop.torch.load_rotated interop.torch.rotate_checkpoint
"""
OTHERS = """
    deer.baseline_errors deer.predict_distances deer.ridge_regression evidence.detectors.rejection
    evidence.detectors.kernel_order evidence.detectors.reference_inverse controls refit_controls
    interop.torch.Capture interop.torch.verify evidence.nulls.draw evidence.nulls.random_counterpart
    interpret_layers deer.calibrate deer.coverage deer.fit_traces deer.sampling deer.save_deeranalysis
    deer.save_deerlab deer.share_background deer.shipped_calibration deer.trace_warnings
    deer.write_trace_page interop.torch.heads interop.torch.residual_stream
"""
EXCEPTIONS = {
    **dict.fromkeys(
        (f"descrambler.{name}" for name in RECORDS.split()),
        "a result or record: the package makes it",
    ),
    **dict.fromkeys(
        (f"descrambler.{name}" for name in SCALARS.split()), "takes names and numbers, no arrays"
    ),
    **dict.fromkeys(
        (f"descrambler.{name}" for name in FILES.split()), "reads a file: tests/test_fuzz.py"
    ),
    **dict.fromkeys(
        (f"descrambler.{name}" for name in OTHERS.split()), "takes what others here have checked"
    ),
}

# The same arrays each time; a slow machine is no defect of theirs.
QUICK = settings(
    deadline=None,
    max_examples=40,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

SHAPES = {
    1: st.sampled_from([(0,), (1,), (2,), (3,), (8,), (9,), (16,)]),
    2: st.sampled_from(
        [
            (0, 0),
            (0, 3),
            (3, 0),
            (1, 1),
            (1, 4),
            (4, 1),
            (2, 2),
            (3, 3),
            (8, 8),
            (9, 9),
            (12, 5),
            (5, 12),
        ]
    ),
}
SCALES = (1, 1e-300, 1e-160, 1e-30, 1e30, 1e160, 1e300, 5e-324)
VALUES = (
    "normal",
    "positive",
    "rising",
    "zero",
    "constant",
    "rank one",
    "repeated rows",
    "orthogonal",
)
DTYPES = (*map(np.dtype, "efdbBilL?F"), np.dtype("O"), np.dtype("U1"), np.dtype(ml_dtypes.bfloat16))
LAYOUTS = ("C", "F", "strided", "reversed", "read-only", "masked", "swapped", "unaligned")
HOLES = (None, None, None, None, np.nan, np.inf, -np.inf)


def values(kind, shape, seed):
    x = draw(*shape, seed=seed)
    if kind == "positive":
        return np.abs(x)
    if kind == "rising":
        return np.cumsum(np.abs(x), axis=-1)
    if kind == "zero":
        return np.zeros(shape)
    if kind == "constant":
        return np.ones(shape)
    if kind == "rank one" and len(shape) == 2:
        return np.outer(x[:, :1], np.ones(shape[1])) if shape[1] else x
    if kind == "repeated rows":
        return x * 0 + x[:1]
    if kind == "orthogonal" and shape[0] == shape[-1] > 0 and len(shape) == 2:
        return group.random_rotation(shape[0], seed)
    return x


def laid_out(x, layout):
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "strided":
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if layout == "reversed":
        return np.ascontiguousarray(x[::-1])[::-1]
    if layout == "masked":
        return np.ma.masked_array(x, np.arange(x.size).reshape(x.shape) == 0)
    if layout == "swapped" and x.dtype.kind in "fiu" and x.dtype.isnative:
        return x.astype(x.dtype.newbyteorder())
    if layout == "unaligned" and x.dtype.kind == "f":
        room = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
        room[...] = x
        return room
    if layout == "read-only":
        x.setflags(write=False)
    return x


def made(kind, shape, seed=0, *, scale=1.0, dtype=float, layout="C", hole=None):
    """Return an array, and whether it must be refused."""
    x = values(kind, shape, seed)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = (x * scale).astype(dtype)
    holed = hole is not None and x.size > 0 and x.dtype.kind == "f"
    if holed:
        x.flat[-1] = hole
    must_fail = holed or x.dtype.kind in "cOU" or (layout == "masked" and x.size > 0)
    return laid_out(x, layout), must_fail


@st.composite
def arrays(draw_from, ndim):
    ndim = draw_from(st.sampled_from([ndim] * 9 + [3 - ndim]))
    return made(
        draw_from(st.sampled_from(VALUES)),
        draw_from(SHAPES[ndim]),
        draw_from(st.integers(0, 5)),
        scale=draw_from(st.sampled_from((1,) * 8 + SCALES)),
        dtype=draw_from(st.sampled_from((np.dtype(float),) * 12 + DTYPES)),
        layout=draw_from(st.sampled_from(("C",) * 8 + LAYOUTS)),
        hole=draw_from(st.sampled_from(HOLES)),
    )


def one_by_one(ndim):
    """Yield an array of each scale, dtype, layout and hole, otherwise of the plainest kind."""
    matrices = (("normal", 8), ("positive", 8), ("orthogonal", 8))
    vectors = (("positive", 80), ("constant", 10), ("rising", 10))
    for kind, n in matrices if ndim == 2 else vectors:
        shape = (n,) * ndim
        yield from (made(kind, shape, scale=scale) for scale in SCALES)
        yield from (made(kind, shape, dtype=dtype) for dtype in DTYPES)
        yield from (made(kind, shape, layout=layout) for layout in LAYOUTS)
        yield from (made(kind, shape, hole=hole) for hole in HOLES)


def numbers(result, name="result"):
    """Yield all the numbers in a result, with their names."""
    if isinstance(result, ds.Descrambling):
        yield "gap", result.gap
        yield "objective", result.objective
        yield "orthogonality_error", result.orthogonality_error
        yield "gradient_norm", result.gradient_norm
    if isinstance(result, float | complex | np.ndarray | np.inexact):
        yield name, result
    elif isinstance(result, dict):
        for key, value in result.items():
            yield from numbers(value, key)
    elif dataclasses.is_dataclass(result):
        for field in dataclasses.fields(result):
            if field.name not in ("criterion", "callback"):
                yield from numbers(getattr(result, field.name), field.name)
    elif isinstance(result, list | tuple):
        for value in result:
            yield from numbers(value, name)


def unsound(result):
    return [
        name
        for name, x in numbers(result)
        if np.asarray(x).dtype.kind in "fc" and not np.isfinite(x).all()
    ]


# Documented: what may be infinite, or NaN, where there is nothing to measure.
MAY_BE = {
    "descrambler.analysis.diagonal_share": {"result"},
    "descrambler.analysis.gain_ratio": {"result"},
    "descrambler.analysis.kernel_match": {"correlation", "rank_correlation"},
    "descrambler.analysis.match_bases": {"r2"},
    "descrambler.analysis.expected_diagonal_share": {"result"},
    "descrambler.analysis.frequency_order": {"result"},
    "descrambler.analysis.mode_order": {"result"},
    "descrambler.analysis.mode_purity": {"result"},
    "descrambler.analysis.notch_depth": {"result"},
    "descrambler.analysis.split_half": {"similarity", "bound", "resolved_share"},
    "descrambler.analysis.upper_band_level": {"result"},
    "descrambler.align": {"modes"},
    "descrambler.descramble": {"gap", "bound"},
    "descrambler.ensemble": {"similarity", "bound"},
    "descrambler.group.minimize": {"gap", "bound"},
    "descrambler.interop.torch.descramble_module": {"gap", "bound"},
}


# What is elsewhere refused: a measured trace is complex until it is phased, and scikit-learn asks its estimators
# to take Python's numbers, and reads digits.
TAKEN = {
    "descrambler.deer.Trace": "c",
    "descrambler.deer.prepare": "c",
    "descrambler.interop.sklearn.Descrambler": "OU",
}


def public(module):
    return {f"{module.__name__}.{name}": getattr(module, name) for name in module.__all__}


def test_table_has_every_public_function():
    found = {}
    for module in MODULES:
        found |= {k: v for k, v in public(module).items() if callable(v)}
    missing = {k for k in found if k not in TABLE and k not in EXCEPTIONS}
    assert not missing
    unknown = (TABLE.keys() | EXCEPTIONS.keys()) - found.keys()
    assert not {k for k in unknown if torch or ".torch." not in k}
    assert not TABLE.keys() & EXCEPTIONS.keys()


NEEDS_TORCH = pytest.mark.skipif(torch is None, reason="needs PyTorch")
ROWS = [
    pytest.param(name, argument, marks=NEEDS_TORCH if ".torch." in name else ())
    for name, row in TABLE.items()
    for argument in row
]


def check(name, argument, x, must_fail):
    """Return whether there was a result."""
    call = TABLE[name][argument][1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ds.DescramblerWarning)
        try:
            result = call(x)
        except (TypeError, ValueError, ds.DescramblerError) as error:
            assert re.search(rf"\b({argument.strip()})\b", str(error)), f"unclear: {error}"
            return False
    if x.dtype.kind not in TAKEN.get(name, ""):
        assert not must_fail, "accepted"
    assert not set(unsound(result)) - MAY_BE.get(name, set())
    return True


@pytest.mark.parametrize(("name", "argument"), ROWS)
def test_result_is_sound_or_error_is_clear(name, argument):
    ndim = TABLE[name][argument][0]
    accepted = [check(name, argument, *given_array) for given_array in one_by_one(ndim)]
    assert any(accepted), "nothing was accepted"

    @QUICK
    @given(arrays(ndim))
    def any_array(given_array):
        check(name, argument, *given_array)

    any_array()


@pytest.mark.parametrize("exponent", [-440, -100, 100, 440])
def test_unit_of_the_signals_changes_nothing_else(exponent):
    x = draw(60, 7) * np.logspace(0, -1, 7) + 0.5
    unit = 2.0**exponent
    plain, scaled = ds.descramble(x), ds.descramble(x * unit)
    np.testing.assert_allclose(scaled.rotation.matrix, plain.rotation.matrix, atol=1e-12)
    assert scaled.objective == pytest.approx(plain.objective * unit**2)
    assert (scaled.resolved == plain.resolved).all()
    assert (scaled.sign_resolved == plain.sign_resolved).all()
    assert scaled.optimality == "certified"
    w = draw(7, 7)
    for criterion, power in (("sum", 1), ("norm_square", 2)):
        one, other = ds.diagonalize(w, criterion), ds.diagonalize(w * unit, criterion)
        assert other.objective == pytest.approx(one.objective * unit**power, rel=1e-9)
        assert other.optimality == "certified"


@pytest.mark.parametrize(
    "criterion",
    [
        criteria.Autocorrelation(),
        criteria.Entropy(),
        criteria.Kurtosis(),
        criteria.Locality(),
        criteria.Monotonicity(),
        criteria.Orthomax(0),
        criteria.Orthomax(1),
        criteria.Sparsity(),
        criteria.TotalVariation(),
        criteria.Smoothness() + criteria.Locality(),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::descrambler.ConvergenceWarning")
def test_unit_of_the_signals_changes_no_step(criterion):
    x, options = draw(60, 6) * np.logspace(0, -1, 6), {"max_iter": 20, "random_state": 0}
    plain = ds.descramble(x, criterion, **options)
    for exponent in (-440, -150, 150, 440):
        if isinstance(criterion, criteria.Orthomax) and abs(exponent) == 440:
            with pytest.raises(ValueError, match="signals must be within .* fourth powers"):
                ds.descramble(np.ldexp(x, exponent), criterion, **options)
            continue
        scaled = ds.descramble(np.ldexp(x, exponent), criterion, **options)
        np.testing.assert_allclose(scaled.rotation.matrix, plain.rotation.matrix, atol=1e-12)
        assert (scaled.status, scaled.n_iter) == (plain.status, plain.n_iter)


def test_masked_parts_of_signals_are_refused():
    part = np.ma.masked_array(draw(5, 3), draw(5, 3) > 0)
    for signals in (part, iter([draw(5, 3), part]), lambda: iter([part])):
        with pytest.raises(ValueError, match="must not be masked"):
            ds.gram(signals)


def test_signals_whose_squares_vanish_are_refused_wherever_they_are():
    tiny = 1e-200 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert ds.gram(iter([tiny, np.eye(2)])).matrix.trace() == 2
    assert ds.gram(np.zeros((3, 2))).matrix.trace() == 0
    network = ds.Network([ds.Linear(np.eye(2)), ds.Activation("tanh"), ds.Linear(np.eye(2))])
    for tap in ("before", "after"):
        with pytest.raises(ValueError, match="signals must not be so small"):
            network.gram(tiny, 1, tap)
    assert network.gram(np.zeros((3, 2)), 1, "after").matrix.trace() == 0


# In float32 squares vanish sooner.
SINGLE = {"dtype": "float32"}
WAYS = {
    "gram": (1e-200, ds.gram),
    "gram float32": (1e-22, lambda x: ds.gram(x, **SINGLE)),
    "gram below float32": (1e-60, lambda x: ds.gram(x, **SINGLE)),
    "exact": (1e-200, ds.descramble),
    "exact float32": (1e-22, lambda x: ds.descramble(x, **SINGLE)),
    "streamed": (1e-200, streamed),
    "layer": (1e-200, lambda x: ds.Network([ds.Linear(np.eye(x.shape[1]))]).gram(x, 1, "after")),
    "dask": (1e-200, lambda x: ds.gram(dask.array.from_array(x, chunks=5))),
    "sklearn": (1e-200, descrambled_samples),
}
TORCH_WAYS = {
    "torch": (1e-200, captured),
    "torch wide": (1e-200, lambda x: captured(x, "0:output", n_out=20)),
}


@pytest.mark.parametrize("way", [*WAYS, *(pytest.param(w, marks=NEEDS_TORCH) for w in TORCH_WAYS)])
def test_no_way_to_a_gram_matrix_loses_signals_silently(way):
    unit, call = (WAYS | TORCH_WAYS)[way]
    # Their sum is zero: it says nothing of them.
    x = np.kron(draw(6, 8), [[1.0], [-1.0]])
    with pytest.raises(ValueError, match="signals must not be so small"):
        call(x * unit)
    call(x)
    call(x * 0)


def test_a_gram_matrix_out_of_the_range_of_float32_is_refused_there():
    for unit in (1e-60, 1e60):
        known = ds.Gram(squared(draw(8, 8)) * unit)
        assert ds.descramble(known).optimality == "certified"
        with pytest.raises(ValueError, match="gram must have a trace .* in float32"):
            ds.descramble(known, **SINGLE)


def test_signals_that_do_not_vary_have_a_centered_gram_matrix():
    x = np.tile(draw(9), (12, 1))
    assert np.abs(ds.gram(x, center=True).matrix).max() < 1e-13
