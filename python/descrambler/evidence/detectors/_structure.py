"""Structure of weights: rank, orthogonality, named shapes, symmetry."""

from __future__ import annotations

import numpy as np

from ..._util.validate import Array, own_unit
from ...analysis import (
    diagonal_share,
    expected_diagonal_share,
    mode_purity,
    off_diagonal_share,
    participation_ratio,
    shape_share,
)
from ...analysis._structure import expected_purity
from ...analysis._subspaces import leading_shapes
from ...network._network import Network
from .._study import Study
from ..nulls import COMPONENTS, HAAR, NOISE, SMOOTH, WEIGHTS_ALONE, WHITE
from ._detector import (
    LATER_LAYER,
    SAME_RESPONSE,
    SAME_VALUES,
    TAUTOLOGY,
    WORLDS_OF_INPUTS,
    Axes,
    Detector,
    every,
    input_link,
    last,
    later,
)
from ._parts import Part, directions, frame

N_SHAPES = 5
# Excess of the diagonal share that rounding makes.
ROUNDING = 1e-9

SAME_ORTHOGONAL = "orthogonal columns have equal singular values, and any weights with these have orthogonal columns"


def _rank_share(study: Study, layer: int) -> float:
    """Participation ratio from W W^T, whose trace is sum s^2, and squared norm sum s^4."""
    w = own_unit(study.raw(layer).astype(np.float64, copy=False))[0]
    w = w if w.shape[0] <= w.shape[1] else w.T
    gram = w @ w.T
    ratio = float(np.trace(gram)) ** 2 / float(np.vdot(gram, gram))
    return ratio / len(gram)


def _rank_sentence(study: Study, layer: int, axes: Axes) -> str:
    values = study.singular(layer)[1]
    return (
        f"Layer {layer} uses {participation_ratio(values):.1f} of its {len(values)} dimensions "
        "(participation ratio of the squared singular values)"
    )


def _leading(study: Study, layer: int) -> Part:
    """Return the directions of the inputs that a layer of low rank uses."""
    _, values, vt = study.singular(layer)
    return directions(study, layer, "inputs", vt[: int(np.ceil(participation_ratio(values)))])


def _polynomial_part(study: Study, layer: int) -> Part:
    shapes = leading_shapes(study.network.n_out, N_SHAPES, "polynomials")
    return directions(study, layer, "outputs", shapes.T)


def _columns(study: Study, layer: int) -> float:
    """Share off the diagonal, a bias being one more column: the line of an input that is always 1."""
    weights, bias = study.weights(layer), study.bias(layer)
    return off_diagonal_share(weights if bias is None else np.column_stack([weights, bias]))


def _columns_sentence(study: Study, layer: int, axes: Axes) -> str:
    bias = "" if study.network.linear(layer).bias is None else ", its bias as one more column,"
    return (
        f"{_columns(study, layer):.1%} of the energy of W^T W of descrambled layer {layer}{bias} is off the diagonal "
        "(orthogonal columns: 0 %)"
    )


def _overlap(study: Study, layer: int, family: str = "polynomials") -> float:
    return shape_share(study.singular(layer)[0][:, :N_SHAPES], family)


def _wide(network: Network) -> tuple[int, ...]:
    return last(network) if network.n_out >= 4 * N_SHAPES else ()


def _polynomials_sentence(study: Study, layer: int, axes: Axes) -> str:
    polynomials, cosines = (_overlap(study, layer, family) for family in ("polynomials", "cosines"))
    return (
        f"The {N_SHAPES} leading output vectors of layer {layer} are polynomials in {axes.outputs.name} of degree "
        f"below {N_SHAPES}, to {polynomials:.2f} of their energy (Chebyshev's and Legendre's span the same "
        f"space; as many cosines: {cosines:.2f})"
    )


def _square(network: Network) -> tuple[int, ...]:
    widths = [network.linear(k).weight.shape for k in range(1, network.n_linear)]
    return tuple(k for k, (n_out, n_in) in enumerate(widths, 1) if n_out == n_in)


def _diagonal_share(study: Study, layer: int) -> tuple[float, float]:
    """Diagonal share of energy after the rotation of greatest trace, and what is to be expected of it.

    The rotation makes V S V^T of W = U S V^T.
    """
    _, values, vt = study.singular(layer)
    if layer > 1:
        vt = study.links[layer - 2].after.rotation.right(vt)
    return diagonal_share((vt.T * values) @ vt), expected_diagonal_share(values)


def _diagonal(study: Study, layer: int) -> float:
    share, expected = _diagonal_share(study, layer)
    # Equal singular values: diagonal after any rotation, so there is no excess to speak of.
    return (share - expected) / (1 - expected) if expected < 1 - ROUNDING else 0.0


def _diagonal_sentence(study: Study, layer: int, axes: Axes) -> str:
    share, expected = _diagonal_share(study, layer)
    return (
        f"After the best rotation {share:.0%} of the energy of layer {layer} is on the diagonal; random matrices with "
        f"the same singular values reach {expected:.0%}"
    )


def _diagonal_part(study: Study, layer: int) -> Part:
    """Return the diagonal after the rotation of greatest trace; at random: after a random rotation and that."""
    u, values, vt = study.singular(layer)

    def diagonal(rotation: Array) -> Array:
        turned = vt @ rotation.T
        # What is diagonal in V S V^T is U V^T times it in W.
        return (u @ turned * (values @ np.square(turned))) @ rotation

    n = vt.shape[1]
    own = np.eye(n) if layer == 1 else study.links[layer - 2].after.rotation.matrix
    return Part(layer, diagonal(own), lambda rng: diagonal(frame(rng, n, n)))


def _sinusoids(study: Study, layer: int) -> float:
    """Energy-weighted purity of the link-side singular vectors in link frequency."""
    _, values, vt = study.singular(layer)
    return mode_purity(study.links[layer - 2].after.rotation.right(vt), values)


def _sinusoids_sentence(study: Study, layer: int, axes: Axes) -> str:
    return (
        f"Each link-side singular vector of layer {layer} has on average {_sinusoids(study, layer):.0%} of its energy at "
        "one link frequency"
    )


def _purity_floor(network: Network, layer: int) -> float:
    """Return what a layer reaches that is sinusoids to two thirds and noise else, at any width."""
    chance = expected_purity(network.linear(layer).n_in)
    return chance + 0.2 * (1 - chance)


def _needs_two(network: Network, layer: int) -> str:
    size = min(network.linear(layer).weight.shape)
    return "" if size > 1 else f"layer {layer} has a single input or unit"


def _needs_units(network: Network, layer: int) -> str:
    n_out, n_in = network.linear(layer).weight.shape
    if n_in >= 8 and n_out > 1:
        return ""
    return f"it needs at least 8 units and 2 outputs, and layer {layer} has {n_in} and {n_out}"


LOW_RANK = Detector(
    name="low rank",
    formula="participation ratio of the squared singular values, as a part of their number",
    unit="",
    rotation_matters=False,
    places=every,
    statistic=_rank_share,
    tail="lower",
    floor=0.5,
    margin=0.1,
    sentence=_rank_sentence,
    excluded={HAAR.name: SAME_VALUES, SMOOTH.name: SAME_VALUES},
    scale="share",
    stand_in=WORLDS_OF_INPUTS,
    needs=_needs_two,
    part=_leading,
)
ORTHOGONAL = Detector(
    name="orthogonal columns",
    formula="share of the squared entries of P W^T W P^T off its diagonal; a bias is one more column of W",
    unit="",
    rotation_matters=True,
    places=later,
    statistic=_columns,
    tail="lower",
    floor=0.1,
    margin=0.1,
    sentence=_columns_sentence,
    excluded={
        HAAR.name: SAME_ORTHOGONAL,
        SMOOTH.name: SAME_ORTHOGONAL,
        WHITE.name: SAME_ORTHOGONAL,
        WEIGHTS_ALONE.name: SAME_ORTHOGONAL,
        NOISE.name: LATER_LAYER,
        COMPONENTS.name: LATER_LAYER,
    },
    scale="share",
    needs=_needs_two,
    link_modes=input_link,
)
POLYNOMIALS = Detector(
    name="polynomial outputs",
    formula="mean squared cosine between the leading five output-side singular vectors and the polynomials of degree below five",
    unit="",
    rotation_matters=False,
    places=_wide,
    statistic=_overlap,
    tail="upper",
    floor=0.5,
    margin=0.2,
    sentence=_polynomials_sentence,
    along=("outputs",),
    part=_polynomial_part,
    scale="share",
    excluded={SMOOTH.name: SAME_RESPONSE},
    stand_in=WORLDS_OF_INPUTS,
)
DIAGONAL = Detector(
    name="diagonal",
    formula=(
        "share of energy on the diagonal after the rotation of greatest trace: its excess over what the singular values "
        "give in random directions, as a part of the greatest excess"
    ),
    unit="",
    rotation_matters=True,
    places=_square,
    statistic=_diagonal,
    tail="upper",
    floor=0.5,
    margin=0.3,
    sentence=_diagonal_sentence,
    part=_diagonal_part,
    excluded={WEIGHTS_ALONE.name: TAUTOLOGY},
    needs=_needs_two,
    link_modes=input_link,
)
SINUSOIDS = Detector(
    name="link sinusoids",
    formula="share of a link-side singular vector's energy in its strongest link frequency, mean by squared singular value",
    unit="",
    rotation_matters=True,
    places=later,
    statistic=_sinusoids,
    tail="upper",
    floor=_purity_floor,
    floor_text="≥ chance + 0.2 (1 - chance), chance = (log(n/2) + 0.58) / (n/2) of n units",
    margin=0.1,
    sentence=_sinusoids_sentence,
    excluded={
        NOISE.name: LATER_LAYER,
        COMPONENTS.name: LATER_LAYER,
        WEIGHTS_ALONE.name: TAUTOLOGY,
    },
    scale="share",
    needs=_needs_units,
    link_modes=input_link,
)
