"""Sharing work: threads here, executors elsewhere, and what is told of the steps done."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest

import descrambler as ds
from descrambler._util.parallel import mapping
from descrambler._util.progress import Step, reporting
from descrambler.evidence._study import descramble_network


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def network(seed):
    layers = ds.Linear(draw(6, 8, seed=seed)), ds.Linear(draw(5, 6, seed=seed + 9))
    return ds.Network([layers[0], ds.Activation("tanh"), layers[1]])


INPUTS = draw(300, 8) * np.geomspace(1, 0.1, 8)


@pytest.fixture(params=["threads", "processes", pytest.param("loky", marks=pytest.mark.slow)])
def executor(request):
    if request.param == "threads":
        pool = ThreadPoolExecutor(2)
    elif request.param == "loky":
        pool = pytest.importorskip("joblib.externals.loky").ProcessPoolExecutor(2)
    else:  # a fork of a process with threads may wait for ever
        pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with pool:
        yield pool


def test_executors_change_nothing(executor):
    members = [network(seed) for seed in range(3)]
    here = ds.ensemble(members, INPUTS)
    there = ds.ensemble(members, INPUTS, executor=executor)
    np.testing.assert_array_equal(here.trained.modes, there.trained.modes)
    here, there = (descramble_network(members[0], INPUTS, executor=own) for own in (None, executor))
    for one, other in zip(here.links, there.links, strict=True):
        np.testing.assert_array_equal(one.joint.rotation.matrix, other.joint.rotation.matrix)
    here, there = (
        ds.interpret(members[0], INPUTS, nulls=20, executor=own) for own in (None, executor)
    )
    for one, other in zip(here.findings, there.findings, strict=True):
        np.testing.assert_equal(dict(one.nulls), dict(other.nulls))


def test_order_of_the_items_stays():
    for threads in (1, 3, None):
        with mapping(threads) as apply:
            assert list(apply(str, range(20))) == [str(number) for number in range(20)]


@pytest.mark.parametrize("threads", [0, -1, True])
def test_impossible_numbers_of_threads(threads):
    with pytest.raises((TypeError, ValueError), match="threads must be a"):
        ds.interpret(network(0), INPUTS, nulls=20, threads=threads)


def test_what_is_no_executor():
    with pytest.raises(TypeError, match="executor"):
        ds.ensemble([network(0)] * 2, INPUTS, executor=map)


def test_a_function_is_told_of_each_step():
    told = []
    ds.interpret(network(0), INPUTS, nulls=20, progress=told.append)
    assert [step.done for step in told] == list(range(1, len(told) + 1))
    assert {step.total for step in told} == {len(told)}
    assert "random weights" in {step.label for step in told}
    descramble_network(network(0), INPUTS, progress=told.append)
    assert told[-1] == Step(1, 1, "link 1 of 1")


def told_of(gather, *args):
    told = []
    gather(*args, progress=told.append)
    assert [step.done for step in told] == sorted({step.done for step in told})
    return told[-1]


def test_gram_tells_of_each_block(tmp_path):
    x = draw(9000, 300)
    assert told_of(ds.gram, x) == Step(9000, 9000, "9000 signals")
    assert told_of(ds.gram, iter([x[:10], x[10:30]])) == Step(30, None, "30 signals")
    assert told_of(partial(ds.gram, checkpoint=tmp_path / "sum.npz"), x[:500]).done == 500
    assert told_of(network(0).gram, INPUTS) == Step(300, 300, "300 signals")
    plain = ds.gram(x)
    np.testing.assert_array_equal(ds.gram(x, progress=lambda step: None).matrix, plain.matrix)
    np.testing.assert_array_equal(ds.gram(x, threads=3).matrix, plain.matrix)


@pytest.mark.dask
def test_dask_has_a_bar_of_its_own():
    array = pytest.importorskip("dask.array").ones((8, 3), chunks=4)
    with pytest.raises(ValueError, match="progress is not for Dask"):
        ds.gram(array, progress=True)


def test_a_bar(capsys):
    ds.ensemble([network(0), network(1)], INPUTS, progress=True)
    assert "4/4" in capsys.readouterr().err


def test_what_is_no_progress():
    with pytest.raises(TypeError, match="progress"), reporting("yes", 3, "step"):
        pass
