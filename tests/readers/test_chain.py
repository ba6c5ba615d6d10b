"""Affine maps between the layers of files and modules: each gets its place in the chain."""

import numpy as np
import pytest

from descrambler.network import Activation, BatchNorm, Linear, Network
from descrambler.readers._chain import Chain, arithmetic

RNG = np.random.default_rng(3)
W, V = RNG.standard_normal((5, 4)), RNG.standard_normal((2, 5))
X = RNG.standard_normal((7, 4))
C, D = RNG.standard_normal(4), RNG.standard_normal(5)


def outputs(*steps, width=None):
    chain = Chain(width)
    chain.add(*steps)
    return Network(chain.layers())(X), chain


def test_constants_before_the_first_layer_are_folded_into_it():
    found, chain = outputs(
        arithmetic("sub", C), arithmetic("mul", 2.0), arithmetic("add", [[1.0]]), Linear(W)
    )
    np.testing.assert_allclose(found, ((X - C) * 2 + 1) @ W.T, rtol=1e-12)
    assert len(chain.layers()) == 1 and not chain.notes


def test_constants_after_a_layer_are_folded_into_it():
    found, chain = outputs(Linear(W, D), arithmetic("div", D), Activation("tanh"), Linear(V))
    np.testing.assert_allclose(found, np.tanh((X @ W.T + D) / D) @ V.T, rtol=1e-12)
    assert [type(layer) for layer in chain.layers()] == [Linear, Activation, Linear]


def test_constants_after_the_last_activation_become_a_diagonal_layer():
    norm = BatchNorm(D, D**2, D, D)
    found, chain = outputs(
        Linear(W), Activation("relu"), norm, arithmetic("sub", np.array(3.0), swapped=True)
    )
    normed = (np.maximum(X @ W.T, 0) - D) / np.sqrt(D**2 + 1e-5) * D + D
    np.testing.assert_allclose(found, 3 - normed, rtol=1e-12)
    last = chain.layers()[-1]
    assert np.array_equal(last.weight, np.diag(np.diag(last.weight)))
    assert "linear layer 2 is diagonal" in chain.notes[0]


def test_constants_between_two_activations_become_a_diagonal_layer():
    found, _ = outputs(Linear(W), Activation("relu"), arithmetic("mul", D), Activation("tanh"))
    np.testing.assert_allclose(found, np.tanh(np.maximum(X @ W.T, 0) * D), rtol=1e-12)


def test_constants_before_an_activation_of_the_inputs():
    steps = [arithmetic("mul", 2.0), Activation("tanh"), Linear(W)]
    np.testing.assert_allclose(outputs(*steps, width=4)[0], np.tanh(2 * X) @ W.T, rtol=1e-12)
    with pytest.raises(ValueError, match="number of inputs is not known"):
        outputs(*steps)


def test_dtype_is_that_of_the_stored_numbers():
    single = Linear(W.astype("f4"))
    for constant, dtype in ((2.0, "f4"), (np.float32(2), "f4"), (np.array([2.0]), "f8")):
        for steps in (
            [arithmetic("mul", constant), single],
            [single, arithmetic("mul", constant)],
            [single, Activation("relu"), arithmetic("mul", constant)],
        ):
            chain = Chain()
            chain.add(*steps)
            assert chain.layers()[-1].weight.dtype == dtype


@pytest.mark.parametrize("shape", [(6,), (1, 6), (2, 3), (1, 2, 3), (1, 1, 2, 3)])
def test_constants_of_samples_that_are_flattened_later(shape):
    constant = RNG.standard_normal(shape)
    sample = (1, 2, 3) if len(shape) == 4 else (2, 3) if shape[-1] == 3 else (6,)
    assert np.array_equal(arithmetic("add", constant, sample).shift, constant.ravel())


def test_constants_are_broadcast_over_the_axes_of_a_sample():
    column = np.array([[1.0], [2.0]])
    assert arithmetic("add", column, (2, 3)).shift.tolist() == [1, 1, 1, 2, 2, 2]
    assert arithmetic("add", [1.0, 2.0, 3.0], (2, 3)).shift.tolist() == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize(
    ("constant", "sample"),
    [
        (np.ones((2, 4)), None),  # another number for each sample
        (np.ones((4, 1)), None),
        (np.ones((4, 1)), (4,)),
        (np.ones(3), (4,)),
        (np.ones((3, 2)), (2, 3)),
        (np.ones(3), (2, None)),
    ],
)
def test_constants_that_fit_no_sample_are_refused(constant, sample):
    with pytest.raises(ValueError, match="does not fit"):
        arithmetic("add", constant, sample)


@pytest.mark.parametrize("constant", [0.0, np.zeros(3)])
def test_division_by_zero_is_refused(constant):
    with pytest.raises(ValueError, match="finite"):
        arithmetic("div", constant)


def test_a_signal_in_a_denominator_is_refused():
    with pytest.raises(ValueError, match="divided by the signal"):
        arithmetic("div", 2.0, swapped=True)


def test_sizes_that_do_not_fit_are_refused():
    for steps, width, message in (
        ([arithmetic("add", C), Linear(V)], None, "takes 5 inputs, but gets 4"),
        ([arithmetic("add", C), arithmetic("mul", D)], None, "5 numbers do not fit rows of 4"),
        ([Linear(W), arithmetic("add", C)], None, "4 numbers do not fit rows of 5"),
        ([Linear(W), Linear(W)], None, "takes 4 inputs, but gets 5"),
        ([arithmetic("add", C)], 3, "4 numbers do not fit rows of 3"),
        ([arithmetic("add", C), Activation("tanh")], 4, "no dense layers"),
    ):
        with pytest.raises(ValueError, match=message):
            outputs(*steps, width=width)


def test_a_million_maps_are_folded_once():
    one = arithmetic("mul", 1.0)
    chain = Chain()
    chain.add(Linear(W), *[one] * 100_000, Activation("tanh"))
    assert len(chain.layers()) == 2


def test_diagonal_layers_of_small_files_cannot_fill_the_memory():
    wide = arithmetic("mul", np.full(4000, 2.0, "f4"))
    chain = Chain(4000)
    with pytest.raises(ValueError, match="diagonal layers of more than"):
        chain.add(*[Activation("relu"), wide] * 6)
