"""Numbers that a result prints explain each other."""

import numpy as np

import descrambler as ds


def test_a_certified_result_says_why_objective_and_bound_differ():
    signals = np.random.default_rng(0).normal(size=(300, 40)) * np.geomspace(1, 1e3, 40)
    result = ds.descramble(signals)
    shown = dict(result.table())
    apart = abs(result.objective - result.bound) / result.bound
    assert result.gap == 0 and shown["gap"] == f"0 (certified; rounding: {apart:.1e})"
    assert "gradient norm" not in shown


def test_an_iterated_result_has_a_gradient_and_a_gap():
    signals = np.random.default_rng(0).normal(size=(300, 12))
    shown = dict(ds.descramble(signals, "varimax", random_state=0).table())
    assert "gradient norm" in shown


def test_modes_left_out_are_set_beside_the_objective_before():
    signals = np.random.default_rng(0).normal(size=(300, 12))
    result = ds.descramble(signals, rank=3)
    share = result.excess_bound / result.initial_objective
    assert f"{result.excess_bound:.3g} at most, {share:.1e} of" in str(result)
