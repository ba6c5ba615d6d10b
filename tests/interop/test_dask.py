"""Dask: sums over blocks and a map over networks, by worker processes, one of which is killed."""

import os

import dask.array
import numpy as np
import pytest
from distributed import Client, LocalCluster
from killing import Killer, slow

import descrambler as ds
from descrambler._solvers import eigenpairs
from descrambler.evidence._study import descramble_network

# What Dask warns of (sockets, ports) is not ours, and must not stop its restarts. A cluster that has lost its
# workers for good waits for ever.
pytestmark = [pytest.mark.timeout(60), pytest.mark.filterwarnings("ignore")]

RNG = np.random.default_rng(0)
SIGNALS = RNG.standard_normal((6000, 40)) * np.geomspace(1, 0.1, 40) + 0.1


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(processes=True, **options) as cluster, Client(cluster) as client:
        yield client


def test_threads_without_a_cluster():
    array = dask.array.from_array(SIGNALS, chunks=(700, 15))
    gram, whole = ds.gram(array), ds.gram(SIGNALS)
    np.testing.assert_allclose(gram.matrix, whole.matrix, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gram.mean, whole.mean, rtol=1e-10)
    assert gram.count == 6000


def test_criteria_of_single_signals_take_the_blocks_in_order():
    array = dask.array.from_array(SIGNALS[:900, :6], chunks=(400, 4))
    there, here = (
        ds.descramble(x, "kurtosis", max_iter=50, random_state=0)
        for x in (array, SIGNALS[:900, :6])
    )
    np.testing.assert_array_equal(there.rotation.matrix, here.rotation.matrix)


def test_gram_although_a_worker_is_killed(client, tmp_path):
    array = dask.array.from_array(SIGNALS, chunks=(1000, 40)).map_blocks(
        slow, tmp_path, dtype=float, meta=np.empty((0, 0))
    )
    with Killer(tmp_path) as killer:
        gram = ds.gram(array)
    assert killer.killed is not None
    assert killer.killed != os.getpid()
    whole = ds.gram(SIGNALS)
    np.testing.assert_allclose(gram.matrix, whole.matrix, rtol=1e-10, atol=1e-10)
    assert gram.count == 6000


def test_leading_modes_on_a_cluster(client, monkeypatch):
    monkeypatch.setattr(eigenpairs, "LEAST_UNITS", 40)
    signals = np.hstack([SIGNALS, 0.1 * SIGNALS[::-1], 0.05 * np.roll(SIGNALS, 7, axis=0)])
    array = dask.array.from_array(signals, chunks=(2000, 120))
    there, here = ds.descramble(array, rank=3), ds.descramble(signals, rank=3)
    assert there.method == "exact, block Lanczos"
    np.testing.assert_allclose(there.rotation.matrix, here.rotation.matrix, atol=1e-8)
    np.testing.assert_array_equal(there.resolved, here.resolved)


def networks(number):
    generator = np.random.default_rng(1)
    return [
        ds.Network(
            [
                ds.Linear(generator.standard_normal((8, 12))),
                ds.Activation("tanh"),
                ds.Linear(generator.standard_normal((5, 8))),
            ]
        )
        for _ in range(number)
    ]


class Slowly:
    """An executor whose results are slow to come."""

    def __init__(self, executor, place):
        self.executor, self.place = executor, place

    def map(self, function, items):
        place = self.place
        return self.executor.map(lambda item: slow(function(item), place), items)


def test_ensemble_although_a_worker_is_killed(client, tmp_path):
    inputs = np.random.default_rng(2).standard_normal((2000, 12)) * np.geomspace(1, 0.1, 12)

    with Killer(tmp_path) as killer:
        there = ds.ensemble(networks(4), inputs, executor=Slowly(client.get_executor(), tmp_path))
    assert killer.killed is not None
    here = ds.ensemble(networks(4), inputs)
    np.testing.assert_allclose(there.trained.similarity, here.trained.similarity, rtol=1e-9)
    np.testing.assert_array_equal(there.trained.resolved, here.trained.resolved)


def test_layers_on_a_cluster(client):
    (network,) = networks(1)
    inputs = np.random.default_rng(3).standard_normal((500, 12))
    there = descramble_network(network, inputs, executor=client.get_executor())
    here = descramble_network(network, inputs)
    np.testing.assert_allclose(
        there.links[0].joint.rotation.matrix, here.links[0].joint.rotation.matrix, atol=1e-9
    )


def test_starts_and_null_draws_on_a_cluster(client):
    signals = np.random.default_rng(4).laplace(size=(200, 6))
    options = {"n_starts": 3, "random_state": 0, "max_iter": 20}
    told = []
    here = ds.descramble(signals, "entropy", **options)
    there = ds.descramble(
        signals, "entropy", executor=client.get_executor(), progress=told.append, **options
    )
    np.testing.assert_allclose(there.starts.objectives, here.starts.objectives, rtol=1e-9)
    assert [step.done for step in told] == [1, 2, 3]
    (network,) = networks(1)
    inputs = np.random.default_rng(3).standard_normal((200, 12))
    here, there = (
        ds.interpret(network, inputs, nulls=20, executor=own)
        for own in (None, client.get_executor())
    )
    assert [f.verdict for f in there.findings] == [f.verdict for f in here.findings]
    for one, other in zip(here.findings, there.findings, strict=True):
        assert one.p == pytest.approx(other.p, nan_ok=True)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (dask.array.ones((3, 3), dtype=complex), TypeError, "real numeric"),
        (dask.array.ones(3), ValueError, "2 dimension"),
        (dask.array.ones((0, 3)), ValueError, "not be empty"),
        (dask.array.ones((3, 3)) * np.nan, ValueError, "finite"),
    ],
)
def test_bad_arrays(array, error, message):
    with pytest.raises(error, match=message):
        ds.gram(array)
