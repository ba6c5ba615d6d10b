"""Privileged bases: planted coordinates, none, the group that is drawn from, and what is refused."""

import numpy as np
import pytest

from descrambler.evidence import privileged_basis

pytestmark = pytest.mark.usefixtures("one_thread")


def gaussian(seed=0, m=300, n=10):
    return np.random.default_rng(seed).standard_normal((m, n)) + 0.5


def sparse(seed=0):
    return np.random.default_rng(seed).standard_t(2.5, (300, 10))


def test_special_coordinates_are_found_and_only_where_they_are():
    steps = []
    found = privileged_basis(
        {"first": gaussian(1), "second": sparse(2), "third": gaussian(3)}, progress=steps.append
    )
    assert found.verdicts == (
        "explained by random rotations",
        "present",
        "explained by random rotations",
    )
    assert found.counts == (300, 300, 300) and len(steps) == 3
    assert (found.p[1] == 0.05).all() and (found.p[[0, 2]] > 0.05).all()
    assert "second" in str(found) and "1 of 3 places" in repr(found)


def test_the_statistics_are_what_they_say():
    flat = np.random.default_rng(4).choice([-1.0, 1.0], (50, 8))
    found = privileged_basis({"flat": flat, "one": 7 * np.eye(8)}, nulls=0)
    assert found.values == pytest.approx(np.array([[1, 1 / 8], [8, 1]]))
    assert found.verdicts == ("not testable",) * 2
    # In a random basis, a direction on the sphere has kurtosis 3 n / (n + 2).
    null = privileged_basis(np.eye(8), nulls=200).draws[:, 0, 0]
    assert null.mean() == pytest.approx(3 * 8 / 10, rel=0.02)


def test_rotated_signals_have_nothing_special():
    # The level: rotated copies of sparse signals are draws of the null themselves.
    from descrambler.group import random_rotation

    hits = sum(
        privileged_basis(sparse(5) @ random_rotation(10, 100 + k), random_state=k).p.min() <= 0.05
        for k in range(40)
    )
    assert hits <= 6


def test_the_group_can_be_given():
    def fixes_the_first(generator):
        rotation = np.eye(10)
        rotation[1:, 1:] = np.linalg.qr(generator.standard_normal((9, 9)))[0]
        return rotation

    # One large coordinate that no rotation of the group moves is not evidence.
    rows = gaussian(6)
    rows[:, 0] = 20
    assert privileged_basis(rows).verdicts == ("present",)
    assert privileged_basis(rows, draw=fixes_the_first).p.min() > 0.05


def test_threads_and_blocks_change_nothing():
    places = {"a": gaussian(7), "b": sparse(8)}
    batches = {name: iter(np.array_split(rows, 8)) for name, rows in places.items()}
    one, two = privileged_basis(places), privileged_basis(batches, threads=2)
    np.testing.assert_allclose(one.draws, two.draws, rtol=1e-12)
    np.testing.assert_array_equal(one.p, two.p)


def test_a_picture():
    figure = privileged_basis({"a": gaussian(9), "b": sparse(9)}).plot()
    assert [panel.get_ylabel().split()[0] for panel in figure.axes] == ["kurtosis", "share"]


@pytest.mark.parametrize(
    ("signals", "options", "error", "message"),
    [
        ({}, {}, ValueError, "at least one place"),
        ({"a": gaussian(), "b": gaussian(n=9)}, {}, ValueError, "one width.*'a'. has 10.*'b'. has 9"),
        (np.zeros((5, 3)), {}, ValueError, "no row all zero"),
        (np.full((5, 3), np.inf), {}, ValueError, "must be finite"),
        (gaussian(), {"nulls": 1.5}, TypeError, "nulls must be an integer"),
        (object(), {}, TypeError, "signals must be an array of real numbers, got object"),
        (gaussian(), {"draw": lambda g: np.ones((10, 10))}, ValueError, "draw must return an orthogonal"),
    ],
)  # fmt: skip
def test_refused(signals, options, error, message):
    with pytest.raises(error, match=message):
        privileged_basis(signals, **options)
