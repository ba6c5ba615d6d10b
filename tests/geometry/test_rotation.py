"""The sign of a determinant, from two blocks where these are far from singular."""

import numpy as np
import pytest

from descrambler import group
from descrambler._geometry.rotation import has_negative_determinant


def orthogonal(n, seed, sign):
    q = group.random_rotation(n, seed)
    q[-1] *= sign
    return q


def swapped(n, seed, sign):
    """Blocks beside the diagonal alone."""
    half = n // 2
    q = np.zeros((n, n))
    q[:half, n - half :] = orthogonal(half, seed, 1)
    q[half:, : n - half] = orthogonal(n - half, seed + 1, sign)
    return q


def permutation(n, seed, sign):
    q = np.eye(n)[np.random.default_rng(seed).permutation(n)]
    q[0] *= sign
    return q


def nearly_singular(n, seed, sign):
    """Blocks on the diagonal whose least singular value is 1e-9, of either sign."""
    q, half = np.eye(n), n // 2
    q[:half, :half] = orthogonal(half, seed, 1)
    small = 1e-9 * sign
    turn = np.array([[small, 1], [-1, small]])
    q[half - 1 : half + 1] = turn @ q[half - 1 : half + 1]
    q[-1] *= sign
    return q


@pytest.mark.parametrize("make", [orthogonal, swapped, permutation, nearly_singular])
@pytest.mark.parametrize("n", [2, 63, 128, 131])
@pytest.mark.parametrize("sign", [1, -1])
def test_sign_of_a_determinant(make, n, sign):
    for seed in range(3):
        q = make(n, seed, sign)
        negative = np.linalg.slogdet(q)[0] < 0
        assert has_negative_determinant(q) == negative
        assert has_negative_determinant(q.astype(np.float32)) == negative
