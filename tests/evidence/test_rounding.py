"""Control networks ship in float16 only if no claim that counts moves."""

import numpy as np
import pytest

import descrambler as ds

rounding = pytest.importorskip("benchmarks.rounding")


def test_a_shipped_network_keeps_its_claims_in_float16():
    told = rounding.Rounded([ds.deer.pretrained()]).changes()
    counted = {x.name: x.counted for x in told}
    assert 0 < counted["frequency map, network"] < rounding.MOST
    rounding.refuse(told)


def test_a_change_is_relative_to_the_threshold_where_the_value_is_smaller():
    before = np.array([2.0, 0.001, np.nan, np.nan])
    after = np.array([2.1, 0.002, np.nan, 1.0])
    change = rounding.relative(before, after, np.array([0.5, 0.5, 0.5, 0.5]))
    np.testing.assert_allclose(change, [0.05, 0.002, 0, np.inf])


def test_a_claim_that_moves_is_refused_by_name():
    everything = rounding.family(ds.deer.pretrained())
    names = [claim.detector.name for claim in everything]
    floors = np.array([[claim.floor for claim in everything]])
    before = 1.5 * floors
    after = before.copy()
    after[0, names.index("band-pass")] *= 1.02
    after[0, names.index("low rank")] *= 1.02  # not reached, before or after
    told = {x.name: x for x in rounding.changes(everything, before, after)}
    assert told["low rank, layer 1"].counted == 0 < told["low rank, layer 1"].below
    with pytest.raises(SystemExit, match=r"band-pass, network \(2.0%\)$"):
        rounding.refuse(list(told.values()))
