"""Datasets are read ahead by a thread where a call has several."""

import threading

import numpy as np
import pytest

import descrambler as ds


class Stored:
    """A dataset that notes whether the main thread reads it, and may fail at a row."""

    def __init__(self, rows, broken=None):
        self.rows, self.broken, self.readers = rows, broken, set()
        self.shape, self.dtype, self.chunks = rows.shape, rows.dtype, (1000, rows.shape[1])

    def __getitem__(self, rows):
        self.readers.add(threading.current_thread() is threading.main_thread())
        if self.broken is not None and rows.stop > self.broken:
            raise OSError("the disk is gone")
        return self.rows[rows]


@pytest.fixture
def rows():
    # More than one slab.
    return np.random.default_rng(0).standard_normal((9000, 32), np.float32)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_sum_is_that_of_an_array(rows, threads):
    stored, before = Stored(rows), threading.active_count()
    found = ds.gram(stored, threads=threads)
    np.testing.assert_allclose(found.matrix, ds.gram(rows).matrix, atol=1e-9)
    assert stored.readers == {threads == 1}
    assert threading.active_count() == before


def test_an_error_of_the_reader_is_told(rows):
    before = threading.active_count()
    with pytest.raises(OSError, match="the disk is gone"):
        ds.gram(Stored(rows, broken=5000), threads=2)
    assert threading.active_count() == before
