"""Arguments of the wrong kind are refused in plain words, with the argument's name."""

import numpy as np
import pytest

import descrambler as ds

RNG = np.random.default_rng(5)
NETWORK = ds.Network(
    [ds.Linear(RNG.normal(size=(6, 9)), np.zeros(6)), ds.Activation("tanh")]
    + [ds.Linear(RNG.normal(size=(4, 6)), np.zeros(4))]
)
INPUTS = RNG.normal(size=(50, 9))
SIGNALS = NETWORK.signals(INPUTS)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("input_axis", "wavelength", r"input_axis must be an Axis, as in Axis\(.*got str"),
        ("input_axis", np.linspace(4, 8, 9), "input_axis must be an Axis.*got ndarray"),
        ("output_axis", ("mass", "g"), "output_axis must be an Axis.*got tuple"),
        ("nulls", "many", "nulls must be an integer, got 'many'"),
        ("nulls", 20.0, "nulls must be an integer, got 20.0"),
        ("nulls", 19, "nulls must be at least 20, to reach p = 0.05, got 19"),
        ("null_inputs", None, "null_inputs must be an integer, got None"),
        ("random_state", 0.5, "random_state must be None, an integer or a Generator.*got 0.5"),
        ("random_state", -1, "random_state must be at least 0, got -1"),
        ("threads", "all", "threads must be an integer, got 'all'"),
        ("controls", {"once": NETWORK}, r"controls\['once'\] must be a list of networks, got Netw"),
        ("detectors", ["low rank"], "detectors must be a list of detectors, .*got 'low rank'"),
        ("nuisance", np.eye(9)[:1], "nuisance needs wanted"),
        ("wanted", np.eye(9)[:1], "wanted needs nuisance"),
    ],
)
def test_interpret_names_the_argument(option, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ds.interpret(NETWORK, INPUTS, **{option: value})


@pytest.mark.parametrize("networks", [NETWORK, "net.npz", 3])
def test_ensemble_takes_several(networks):
    with pytest.raises(TypeError, match="networks must be a list of at least two networks, got"):
        ds.ensemble(networks, INPUTS)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("max_iter", 2.5, "max_iter must be an integer, got 2.5"),
        ("n_starts", "two", "n_starts must be an integer, got 'two'"),
        ("tol", "small", "tol must be a number of at least 0, got 'small'"),
        ("random_state", "x", "random_state must be None, an integer or a Generator"),
        ("center", "yes", "center must be True or False, got 'yes'"),
    ],
)
def test_descramble_names_the_option(option, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ds.descramble(SIGNALS, **{option: value})


@pytest.mark.parametrize("signals", [None, object(), NETWORK, "x.npy"])
def test_descramble_says_what_signals_are(signals):
    with pytest.raises(TypeError, match="signals must be an? (real numeric )?array"):
        ds.descramble(signals)


def test_a_model_of_pytorch_is_no_signal():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="got Sequential, which takes arguments"):
        ds.descramble(torch.nn.Sequential(torch.nn.Linear(3, 2)))


@pytest.mark.parametrize("x", [None, object(), "x.npy", ["a", "b"], 3.0, INPUTS[0], INPUTS.T])
def test_a_network_says_what_it_takes(x):
    with pytest.raises((TypeError, ValueError), match="^x must "):
        NETWORK(x)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((400, 800, "wavelength", "nm"), "name must be a text, got 400: write Axis"),
        (("wavelength", "nm", np.arange(3)), "start must be a number"),
        (("wavelength", "nm", float("nan"), 3), "start must be finite"),
        (("wavenumber", "1/cm", 4000, 400), "where the values fall, pass -4000 and -400"),
        (("time", "s", 1, 1), "stop must be above start, got 1 and 1$"),
    ],
)
def test_axes(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ds.Axis(*given)


def test_the_axis_that_falls():
    axis = ds.Axis("wavenumber", "1/cm", -4000, -400)
    assert axis.positions(3).tolist() == [-4000, -2200, -400]


def test_the_inverse_leads_only_where_a_map_was_given():
    one = [d for d in ds.evidence.detectors.DETECTORS if d.name == "low rank"]
    study = ds.interpret(NETWORK, INPUTS, nulls=20, detectors=one)
    assert study.table()[1][0] == "low rank"
    reference = np.linalg.pinv(NETWORK.linear(2).weight @ NETWORK.linear(1).weight)
    study = ds.interpret(NETWORK, INPUTS, nulls=20, detectors=one, reference=reference)
    assert study.table()[1][0] == "inverse of the reference"
