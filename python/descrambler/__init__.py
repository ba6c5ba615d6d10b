"""Descrambler groups: make the weight matrices of a trained neural network readable.

Amey, Keeley, Choudhury and Kuprov, PNAS 118(5), 2021, doi 10.1073/pnas.2016917118.
"""

from ._util import interpreter as _interpreter  # first  # noqa: F401

# isort: split
from . import _core, analysis, criteria, deer, evidence, group, interop, report
from ._geometry.rotation import Rotation
from ._signals.gram import Gram
from ._signals.joint import joint_gram
from ._signals.leading_modes import Leading
from ._signals.sums import gram
from ._solvers.archive import load_result
from ._solvers.compare import Comparison, compare
from ._solvers.descramble import descramble
from ._solvers.diagonalize import diagonalize
from ._solvers.outcome import Status
from ._solvers.result import Descrambling
from ._solvers.settings import State
from ._solvers.starts import Starts
from ._util.config import show_config
from ._util.progress import Step
from .axis import Axis
from .errors import (
    ChartError,
    ConvergenceWarning,
    DescramblerError,
    DescramblerWarning,
    GradientError,
    MissingExtraError,
    NoModulationError,
    ReaderProcessError,
    UnlimitedMemoryWarning,
    WeightFileError,
)
from .evidence import nulls
from .evidence._align import align
from .evidence._alignment import Alignment
from .evidence._ensemble import Ensemble, ensemble
from .evidence._findings import Finding
from .evidence._interpret import Interpretation, interpret
from .evidence._interpret_layers import LayerInterpretation, interpret_layers
from .evidence._make_controls import controls
from .evidence._panel import Panel
from .evidence._refit import refit_controls
from .evidence._study import Study
from .network._activations import Activation, Renormalize
from .network._layers import BatchNorm, Linear
from .network._network import Network
from .readers import load

__version__ = _core.__version__

__all__ = [
    "Activation",
    "Alignment",
    "Axis",
    "BatchNorm",
    "ChartError",
    "Comparison",
    "ConvergenceWarning",
    "Descrambling",
    "DescramblerError",
    "DescramblerWarning",
    "Ensemble",
    "Finding",
    "GradientError",
    "Gram",
    "Interpretation",
    "LayerInterpretation",
    "Leading",
    "Linear",
    "MissingExtraError",
    "Network",
    "NoModulationError",
    "Panel",
    "ReaderProcessError",
    "Renormalize",
    "Rotation",
    "Starts",
    "State",
    "Status",
    "Study",
    "Step",
    "UnlimitedMemoryWarning",
    "WeightFileError",
    "align",
    "analysis",
    "compare",
    "controls",
    "criteria",
    "deer",
    "descramble",
    "diagonalize",
    "ensemble",
    "evidence",
    "gram",
    "group",
    "interop",
    "interpret",
    "interpret_layers",
    "joint_gram",
    "load",
    "load_result",
    "nulls",
    "refit_controls",
    "report",
    "show_config",
]


def __dir__() -> list[str]:
    """Names to complete: the public ones."""
    return sorted(
        [*__all__, "__all__", "__doc__", "__file__", "__name__", "__path__", "__version__"]
    )
