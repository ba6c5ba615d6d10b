"""Interpretation of a network: descrambling, measurements, and comparison with nulls and controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from .._util.parallel import Executor
from .._util.progress import Progress
from .._util.seeds import seed_of
from .._util.threads import computing
from .._util.validate import Array, integer
from ..axis import Axis, check_axis, index_axis
from ..network._network import Network
from ._checks import (
    LEAST_DISTINCT,
    check_controls,
    check_inputs,
    checked_detectors,
    checked_directions,
    checked_initial,
    other_recipe,
)
from ._claims import claims, measure, widest_link, with_flaws
from ._draws import chosen_rows, generator, measured_controls, measured_nulls
from ._findings import judge
from ._given import are_several, as_inputs, as_network
from ._interpretation import Interpretation
from ._panel import Panel, interpret_each
from ._stability import uncertainties
from ._study import Study
from ._task import doubt_about
from ._usage import relative_error, target_rows, with_usage
from .detectors import DETECTORS, Axes, Detector, kernel_order, reference_inverse, rejection
from .detectors._reference import reference_matrix
from .nulls import KINDS, UNTRAINED, Setting

if TYPE_CHECKING:
    from typing import Unpack  # newer than the oldest Python that runs this

__all__ = ["Interpretation", "Panel", "interpret"]

LEAST_NULLS = 20  # from which on p = 0.05 can be reached
Model: TypeAlias = Any
"""A Network, or what `load` reads: a path, a PyTorch module, a scikit-learn estimator, a state dict."""
Initial: TypeAlias = Any
"""A `Model`, a function from a seed to a Network, or None."""
Inputs: TypeAlias = "ArrayLike | Iterable[Any]"
Controls: TypeAlias = Mapping[str, Sequence[Model]] | None


class Options(TypedDict, total=False):
    """Options of `interpret` that are the same for one network and for several."""

    nulls: int
    null_inputs: int
    random_state: int | np.random.Generator | None
    input_axis: Axis | None
    output_axis: Axis | None
    reference: ArrayLike | None
    targets: ArrayLike | str | None
    nuisance: ArrayLike | None
    wanted: ArrayLike | None
    detectors: Sequence[Detector] | None
    threads: int | None
    executor: Executor | None
    progress: Progress


@overload
def interpret(
    network: list[Any] | tuple[Any, ...],
    inputs: Inputs,
    initial: Initial = None,
    *,
    controls: Controls | Sequence[Controls] = None,
    **options: Unpack[Options],
) -> Panel: ...


@overload
def interpret(
    network: Model,
    inputs: Inputs,
    initial: Initial = None,
    *,
    controls: Controls = None,
    **options: Unpack[Options],
) -> Interpretation: ...


def interpret(
    network: Model | Sequence[Model],
    inputs: Inputs,
    initial: Initial = None,
    *,
    controls: Controls | Sequence[Controls] = None,
    nulls: int = 50,
    null_inputs: int = 2000,
    random_state: int | np.random.Generator | None = 0,
    input_axis: Axis | None = None,
    output_axis: Axis | None = None,
    reference: ArrayLike | None = None,
    targets: ArrayLike | str | None = None,
    nuisance: ArrayLike | None = None,
    wanted: ArrayLike | None = None,
    detectors: Sequence[Detector] | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    progress: Progress = False,
) -> Interpretation | Panel:
    """Descramble a network, measure what it may have learnt, and test it against nulls and controls.

    Parameters
    ----------
    network : Network, path, PyTorch module, scikit-learn estimator, or a list of these
        At least two linear layers. Anything but a `Network` is read by `load`, with its checks. Several
        networks of one shape, such as seeds of one recipe, are interpreted one by one; the result counts
        their verdicts.
    inputs : array_like, shape (m, n_in), or iterable of batches
        Inputs of the network, one sample per row: real data, not noise. At least 30 distinct rows;
        claims that depend on P need at least one distinct row per unit of the layer. A loader of
        (inputs, targets) is accepted; the targets are ignored.
    initial : Network, or what `load` reads, or callable, optional
        The same network before training; by default ``network.initial``. A value that it nearly had is
        "explained by the initial weights". Or a function that returns a
        newly initialized network for a seed; networks with convolutions need it. Without either there
        is no null of untrained networks. For several networks, a list with one entry per network is
        accepted too, here and in `controls`.
    controls : mapping of str to sequence of Network, optional
        Networks of the same shape, trained by the same recipe on shuffled targets: "once", on targets
        permuted once; "anew", on targets permuted anew at every step. The verdict "learnt" needs at
        least 19 of each. Further kinds, under names of your own, must be exceeded too. If there are
        networks of the kind "true", trained on the true targets by the recipe of the controls, they
        must show a claim before it can be "learnt".
    nulls : int
        Largest number of draws per null kind, at least 20. Drawing stops earlier if no verdict depends
        on it.
    null_inputs : int
        Number of inputs on which findings, nulls and controls are measured, at least 30; the same for all.
    random_state : int, Generator or None
        Seed. The result does not depend on the number of threads.
    input_axis, output_axis : Axis, optional
        Axes of the inputs and of the outputs; by default plain numbers. Claims that need an order are not
        tested along an axis with ``ordered=False``.
    reference : array_like, shape (n_in, n_out), optional
        A known linear map from outputs to inputs, ``inputs = reference @ outputs``, that the network may
        have learnt to invert, such as ``ds.deer.kernel(time, distance)`` for DEER.
    targets : array_like, shape (m, n_out), or "outputs", optional
        True outputs for these inputs, in the units of the outputs, or the network's own. Each feature
        that can be removed is then removed, and the change of the squared error compared with equal
        random removals: `Finding.used`. With true outputs, no claim is "learnt" if those of the network
        are no closer to them than to permuted ones, or than those of the controls on shuffled targets.
    nuisance, wanted : array_like, shape (any, n_in), optional
        Directions of the inputs that the network should ignore, such as differences between baselines,
        and those that it should respond to, such as differences between noise-free signals. Pass both.
    detectors : sequence of Detector, optional
        Features to test, in addition to the inverse of the reference and the rejection of the nuisance;
        by default all of ``evidence.detectors.DETECTORS``.
    threads : int or None
        Threads for the draws; None for one thread per processor.
    executor : Executor, optional
        Used for the draws instead of threads: any executor with the interface of `concurrent.futures`,
        such as ``client.get_executor()`` of a Dask client.
    progress : bool or callable
        True shows a bar. A function is called after each draw with a step (`done`, `total`, `label`);
        `label` is the null kind or the kind of controls.

    Returns
    -------
    Interpretation or Panel
        A :class:`Panel` for several networks.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value, or the inputs are useless: all the same,
        or fewer than 30 distinct rows.
    """
    options: Options = {
        "nulls": nulls,
        "null_inputs": null_inputs,
        "random_state": seed_of(random_state),
        "input_axis": input_axis,
        "output_axis": output_axis,
        "reference": reference,
        "targets": targets,
        "nuisance": nuisance,
        "wanted": wanted,
        "detectors": DETECTORS if detectors is None else detectors,
        "threads": threads,
        "executor": executor,
        "progress": progress,
    }
    several = are_several(network)
    given = tuple(as_network("network", x) for x in (network if several else (network,)))
    # Also what is measured beside the draws computes on no more threads than asked for.
    with computing(max((x.n_out for net in given for x in net.linears), default=1), threads):
        if not several:
            return _interpret(given[0], inputs, initial, cast(Controls, controls), **options)
        # Batches may come but once.
        inputs = as_inputs("inputs", inputs, given[0].n_in) if given else inputs
        return interpret_each(partial(_interpret, inputs=inputs), given, initial, controls, options)


def _interpret(
    network: Network,
    inputs: Inputs,
    initial: Initial,
    controls: Controls,
    **options: Unpack[Options],
) -> Interpretation:
    nulls = integer("nulls", options["nulls"], LEAST_NULLS, ", to reach p = 0.05")
    null_inputs = integer("null_inputs", options["null_inputs"], LEAST_DISTINCT)
    check_axis("input_axis", options["input_axis"])
    check_axis("output_axis", options["output_axis"])
    study = Study(network, as_inputs("inputs", inputs, network.n_in))
    assert study.inputs is not None
    given = check_controls(network, controls)
    entropy = seed_of(options["random_state"])
    wished = target_rows(options["targets"], study)
    chosen = chosen_rows(len(study.inputs), max(null_inputs, widest_link(network)), entropy)
    shared = study.inputs if chosen is None else study.inputs[chosen]
    n_distinct = check_inputs(shared)
    axes = Axes(
        options["input_axis"] or index_axis("input", network.n_in),
        options["output_axis"] or index_axis("output", network.n_out),
    )
    setting = _setting(network, shared, checked_initial(network, initial), axes)
    looked_for = _detectors(network, options)
    measured = study if shared is study.inputs else Study(network, shared)
    family = with_flaws(measured, claims(network, looked_for, axes, n_distinct))
    observed = measure(measured, family)
    kinds = tuple(
        kind
        for kind in KINDS
        if (kind is not UNTRAINED or setting.initial is not None or setting.init is not None)
        and any(not c.detector.reason_against(kind) for c in family if not c.barred)
    )
    work = options["threads"], options["executor"], options["progress"]
    control_values = measured_controls(given, setting, family, *work)
    draws = measured_nulls(kinds, setting, family, observed, nulls, entropy, *work)
    recipe = other_recipe(network, given)
    usage, halves, again, permuted = (generator(entropy, place) for place in range(1, 5))
    unsure = uncertainties(measured, family, observed, halves, *work[:2])
    places = [(measured, axes)] * len(family)
    before = None if setting.initial is None else measure(Study(setting.initial, shared), family)
    rows = wished if wished is None or chosen is None else wished[chosen]
    doubt = ""
    if rows is not None and not isinstance(options["targets"], str):
        doubt = doubt_about(network, shared, rows, given, permuted)
    findings = judge(
        places, family, observed, draws, control_values, unsure, again, recipe, before, doubt
    )
    if rows is not None:
        findings = with_usage(measured, family, findings, rows, usage)
    return Interpretation(
        study=study,
        findings=findings,
        axes=axes,
        n_nulls=nulls,
        controls=given,
        kinds=kinds,
        setting=setting,
        seed=entropy,
        prediction_error=None if wished is None else relative_error(study, wished),
        doubt=doubt,
    )


def _setting(
    network: Network,
    inputs: Array,
    initial: Initial,
    axes: Axes,
) -> Setting:
    ordered = axes.inputs.ordered, axes.outputs.ordered
    if callable(initial) and not isinstance(initial, Network):
        return Setting(network, inputs, None, initial, ordered)
    return Setting(network, inputs, initial or network.initial, None, ordered)


def _detectors(network: Network, options: Options) -> tuple[Detector, ...]:
    """Return the inverse of the reference first, the rejection of the nuisance last."""
    reference = options["reference"]
    kernel = None if reference is None else reference_matrix(reference, network)
    directions = checked_directions(options["nuisance"], options["wanted"], network.n_in)
    first = reference_inverse(kernel), kernel_order(kernel)
    return *first, *checked_detectors(options["detectors"] or ()), rejection(*directions)
