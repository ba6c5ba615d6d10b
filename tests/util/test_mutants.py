"""Damaged archives of the package's own: each is read, or ends in the ValueError that is documented.

The fuzzer (tests/fuzz.py) has the other kinds.
"""

from pathlib import Path

import mutants
import numpy as np
import pytest

import descrambler as ds

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 7)) * np.geomspace(8, 1, 7) + 1
N = 60

pytestmark = pytest.mark.filterwarnings("ignore")  # of NumPy, about damaged headers


def estimator():
    return pytest.importorskip("descrambler.interop.sklearn").Descrambler


def search(path):
    return ds.descramble(X, "kurtosis", checkpoint=path, random_state=0, max_iter=3)


KINDS = {
    "rank": (lambda path: ds.descramble(X, rank=3).save(path), ds.load_result),
    "search": (search, search),
    "estimator": (
        lambda path: estimator()().fit(X).save(path),
        lambda path: estimator().load(path),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_mutants(kind, tmp_path):
    write, read = KINDS[kind]
    path = tmp_path / f"{kind}.npz"
    write(path)
    whole, refused = path.read_bytes(), 0
    for k in range(N):
        mutate = mutants.any_bytes if k % 3 == 0 else mutants.BY_FORMAT["npz"]
        path.write_bytes(mutate(whole, np.random.default_rng([k, 7])))
        try:
            read(Path(path))
        except ValueError as error:
            assert path.name in str(error)
            assert str(error).isprintable()
            refused += 1
    assert 0 < refused < N
