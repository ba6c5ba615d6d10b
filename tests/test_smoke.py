"""What every built wheel must do; needs nothing but pytest and the package."""

import numpy as np
import pytest

import descrambler as ds


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_descrambling(dtype):
    rng = np.random.default_rng(0)
    signals = (rng.standard_normal((500, 24)) * np.geomspace(1, 0.01, 24) + 0.1).astype(dtype)
    result = ds.descramble(signals)
    p = result.rotation.matrix
    assert p.dtype == dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(p @ p.T, np.eye(24), atol=50 * eps)
    assert np.linalg.det(p) > 0
    assert result.gap < (1e-12 if dtype == np.float64 else 1e-2)
    assert ds.descramble(signals, method="riemannian-lbfgs", tol=1e-2).gap >= 0


def test_certified_diagonal():
    w = np.random.default_rng(1).standard_normal((16, 16))
    for criterion in ("sum", "norm_square"):
        assert ds.diagonalize(w, criterion).optimality == "certified"


def test_networks_are_saved_and_loaded(tmp_path):
    network = ds.deer.pretrained()
    network.save(tmp_path / "net.npz")
    traces = ds.deer.simulate(20, random_state=0).traces
    np.testing.assert_array_equal(ds.load(tmp_path / "net.npz")(traces), network(traces))
    assert (
        ds.deer.overlap(network(traces), ds.deer.simulate(20, random_state=0).distributions).mean()
        > 0.6
    )


def test_matlab_files_are_read_in_a_child(tmp_path):
    from scipy.io import savemat

    weights = [np.random.default_rng(k).standard_normal((5, 5)) for k in (1, 2)]
    savemat(tmp_path / "net.mat", {"W1": weights[0], "W2": weights[1]})
    network = ds.load(tmp_path / "net.mat", activations=["tanh", "identity"])
    np.testing.assert_array_equal(network.linear(2).weight, weights[1])


def test_group_functions_are_inverse():
    q = np.random.default_rng(2).standard_normal((9, 9)) / 5
    q = q - q.T
    np.testing.assert_allclose(ds.group.inverse_cayley(ds.group.cayley(q)), q, atol=1e-12)
    np.testing.assert_allclose(ds.group.log(ds.group.exp(q)), q, atol=1e-11)


def test_command_line(tmp_path, capsys):
    from descrambler.cli._main import main

    main(["info"])
    assert ds.__version__ in capsys.readouterr().out
