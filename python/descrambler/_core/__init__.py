"""The compiled core (cpp/bindings), in the variant that this processor runs best.

DESCRAMBLER_ISA chooses another variant. `__init__.pyi` states what each name takes and returns.
"""

import importlib
import importlib.util
import os

VARIANTS = ("avx512", "avx2", "baseline")


def _choose() -> str:
    wanted = os.environ.get("DESCRAMBLER_ISA", "")
    try:
        supported = importlib.import_module("._isa", __package__).supported()
    except ImportError as error:
        raise ImportError(
            "descrambler's compiled extension is missing: run 'pip install .' in the source folder"
        ) from error
    if wanted and wanted not in VARIANTS:
        raise ImportError(f"DESCRAMBLER_ISA must be one of {VARIANTS}, got {wanted!r}")
    if wanted and wanted not in supported:
        raise ImportError(f"DESCRAMBLER_ISA={wanted}, but this processor runs only {supported}")
    # A build from source leaves out what its machine cannot run; the baseline is in every build.
    built = [name for name in supported if importlib.util.find_spec(f".{name}", __package__)]
    if wanted and wanted not in built:
        raise ImportError(
            f"DESCRAMBLER_ISA={wanted}, but of what this processor runs only {built} was built: "
            "'pip install . -Ccmake.define.DESCRAMBLER_VARIANTS=all' builds every variant"
        )
    return wanted or built[0]


variant = _choose()
_compiled = importlib.import_module(f".{variant}", __package__)

__version__ = _compiled.__version__
compiler = _compiled.compiler
eigen_version = _compiled.eigen_version

# Threads that calls of this Python thread may use from now on
set_threads = _compiled.set_threads

# Enumerations and what the optimizers are asked
Activation = _compiled.Activation
Cancellation = _compiled.Cancellation
Options = _compiled.Options
OutsideChart = _compiled.OutsideChart
Progress = _compiled.Progress
Retraction = _compiled.Retraction
Status = _compiled.Status

# The group
cayley = _compiled.cayley
cayley_pullback = _compiled.cayley_pullback
exp = _compiled.exp
exp_pullback = _compiled.exp_pullback
inverse_cayley = _compiled.inverse_cayley
log = _compiled.log
pack = _compiled.pack
polar = _compiled.polar
unpack = _compiled.unpack

# Criteria
Brockett = _compiled.Brockett
Criterion = _compiled.Criterion
DiagonalNormSquare = _compiled.DiagonalNormSquare
DiagonalSum = _compiled.DiagonalSum
Kurtosis = _compiled.Kurtosis
Quadratic = _compiled.Quadratic
SignalSum = _compiled.SignalSum
SpectrumDeviation = _compiled.SpectrumDeviation
SquaredPower = _compiled.SquaredPower
UserCriterion = _compiled.UserCriterion
WeightedSum = _compiled.WeightedSum

# Terms of signals
SignalTerm = _compiled.SignalTerm
descent = _compiled.descent
entropy = _compiled.entropy
quartic = _compiled.quartic
smooth_l1 = _compiled.smooth_l1
spread = _compiled.spread
total_variation = _compiled.total_variation

# Optimizers, Gram matrices, products, ridges
CayleyChart = _compiled.CayleyChart
GramSum = _compiled.GramSum
RidgeLikelihood = _compiled.RidgeLikelihood
mixing = _compiled.mixing
cayley_lbfgs = _compiled.cayley_lbfgs
multiply = _compiled.multiply
riemannian_lbfgs = _compiled.riemannian_lbfgs
