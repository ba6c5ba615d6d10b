"""Descrambler groups: make the weight matrices of a trained neural network readable.

Amey, Keeley, Choudhury and Kuprov, PNAS 118(5), 2021, doi 10.1073/pnas.2016917118.
"""

from . import analysis, criteria, deer, group, interop, nulls, speech
from ._native import core as _core
from .activations import Activation, Renormalise
from .axis import Axis
from .compare import Comparison, compare
from .config import show_config
from .diagonal import diagonalize
from .ensemble import Ensemble, ensemble
from .errors import (
    ChartError,
    ConvergenceWarning,
    DescramblerError,
    DescramblerWarning,
    GradientError,
    MissingExtraError,
    NoModulationError,
    WeightFileError,
)
from .findings import Finding
from .gram import Gram, gram
from .interpret import Interpretation, interpret
from .iterate import State
from .joint import joint_gram
from .layers import BatchNorm, Linear
from .network import Network
from .readers import load
from .result import Descrambling
from .rotation import Rotation
from .saved import SavedResult, load_result
from .solve import descramble, descramble_gram
from .starts import Starts
from .status import Status

__version__ = _core.__version__

__all__ = [
    "Activation",
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
    "Linear",
    "MissingExtraError",
    "Network",
    "NoModulationError",
    "Renormalise",
    "Rotation",
    "SavedResult",
    "Starts",
    "State",
    "Status",
    "WeightFileError",
    "analysis",
    "compare",
    "criteria",
    "deer",
    "descramble",
    "descramble_gram",
    "diagonalize",
    "ensemble",
    "gram",
    "group",
    "interop",
    "interpret",
    "joint_gram",
    "load",
    "load_result",
    "nulls",
    "show_config",
    "speech",
]
