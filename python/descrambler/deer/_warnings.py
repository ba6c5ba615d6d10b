"""What speaks against a distribution: warnings about a trace and what networks made of it."""

from __future__ import annotations

import numpy as np

from ._chunks import BACKGROUND_RATE, MODULATION_DEPTH, NOISE
from ._distances import DistanceDistribution
from ._modulation import LEVEL, noise_level, residual_p
from ._traces import Trace

# Angstrom for 2 us: the mean distance and the width can be known up to here. They go with the third
# root of the duration (Jeschke, Annu. Rev. Phys. Chem. 63, 2012).
_MEAN_LIMIT, _WIDTH_LIMIT = 50.0, 40.0
_UNEXPLAINED = 1.5  # times the noise
_END, _AT_END = 0.05, 0.1  # part of the axis, and of the probability


def trace_warnings(trace: Trace, result: DistanceDistribution) -> tuple[str, ...]:
    """Return what speaks against a distribution, in sentences; empty if nothing does.

    Parameters
    ----------
    trace : Trace
        Prepared.
    result : DistanceDistribution

    Returns
    -------
    tuple of str
        On points left out, sampling, duration, modulation depth, noise, background and residual.
    """
    found = [*trace.notes, *_sampled(trace, result), *_long_enough(trace, result)]
    found += _as_trained(result)
    residual = trace.signal - result.fit.model
    ratio = float(residual.std()) / max(noise_level(residual), np.finfo(float).tiny)
    if residual_p(residual) < LEVEL and ratio > _UNEXPLAINED:
        found.append(
            "Distribution and background do not explain the whole trace: what they leave is "
            f"{ratio:.1f} times the noise, and not white"
        )
    return tuple(found)


def _sampled(trace: Trace, result: DistanceDistribution) -> list[str]:
    sampled, found = result.sampling, []
    if not sampled.even:
        found.append(
            f"The steps are not equal: {sampled.step * 1000:.3g} ns on average, {sampled.gap * 1000:.3g} "
            "ns at most; the trace was interpolated"
        )
    for peak in result.peaks:
        if peak.position < sampled.shortest:
            found.append(
                f"The peak at {peak.position:.1f} A is below {sampled.shortest:.1f} A, the shortest "
                "distance that the mean step shows"
            )
    return found


def _long_enough(trace: Trace, result: DistanceDistribution) -> list[str]:
    found = []
    root = float(np.cbrt(trace.time[-1] / 2))
    for peak in result.peaks:
        if peak.position > _MEAN_LIMIT * root:
            found.append(
                f"The trace is too short for the peak at {peak.position:.1f} A: of "
                f"{trace.time[-1]:.3g} us, distances are reliable up to {_MEAN_LIMIT * root:.0f} A"
            )
        elif peak.position > _WIDTH_LIMIT * root:
            found.append(
                f"The trace is too short for the width of the peak at {peak.position:.1f} A: widths are "
                f"reliable up to {_WIDTH_LIMIT * root:.0f} A"
            )
    last = max(int(_END * result.density.size), 1)
    share = float(result.density[-last:].sum() / result.density.sum())
    if share > _AT_END:
        found.append(
            f"{100 * share:.0f} % of the distribution lie at the end of the distance axis: there may be "
            "longer distances, or the background is not separated"
        )
    return found


def _as_trained(result: DistanceDistribution) -> list[str]:
    """Warn of what the networks have not seen in training."""
    fit, found = result.fit, []
    if not MODULATION_DEPTH[0] <= fit.depth < MODULATION_DEPTH[1]:
        found.append(
            f"The modulation depth {fit.depth:.3g} is outside the training's, "
            f"{MODULATION_DEPTH[0]:g} to {MODULATION_DEPTH[1]:g}"
        )
    noise = fit.rms / fit.depth if fit.depth > 0 else np.inf
    if noise > NOISE:
        found.append(
            f"The residual is {noise:.2g} of the modulation depth, more than the noise in training ({NOISE:g})"
        )
    rate = fit.parameters[0]
    if fit.experiment == "deer" and rate > BACKGROUND_RATE:
        found.append(
            f"The background falls faster than in training: rate times duration {rate:.2g}, there up to "
            f"{BACKGROUND_RATE:g}"
        )
    return found
