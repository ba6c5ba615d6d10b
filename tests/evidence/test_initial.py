"""What a network had before training is not learnt."""

import numpy as np
import scipy.fft

import descrambler as ds
from descrambler.evidence.detectors import DETECTORS

N, UNITS = 32, 16
MAP = tuple(d for d in DETECTORS if d.name == "frequency map")


def network(first, second, seed, noise=0.01):
    """Return a network of these weights and noise."""
    rng = np.random.default_rng(seed)
    layers = [w + noise * rng.standard_normal(w.shape) for w in (first, second)]
    return ds.Network([ds.Linear(layers[0]), ds.Activation("tanh"), ds.Linear(layers[1])])


def ordered():
    """Return weights whose outputs respond to rising frequencies, as a network may be started with."""
    cosines = scipy.fft.dct(np.eye(N), norm="ortho", axis=0)[:UNITS]
    return cosines, np.repeat(np.eye(UNITS), N // UNITS, axis=0)


def verdict(judged, initial):
    """Return verdict and sentence of the frequency map."""
    x = np.random.default_rng(0).standard_normal((300, N)) / 4
    study = ds.interpret(judged, x, initial=initial, nulls=20, detectors=MAP)
    (finding,) = (f for f in study.findings if f.what == "frequency map")
    return finding.verdict, finding.sentence


def test_what_the_initial_weights_had_is_not_learnt():
    judged, start = network(*ordered(), 1), network(*ordered(), 2)
    word, sentence = verdict(judged, start)
    assert word == "explained by the initial weights"
    assert "before training" in sentence


def test_what_random_initial_weights_lack_stays():
    rng = np.random.default_rng(3)
    start = network(rng.standard_normal((UNITS, N)), rng.standard_normal((N, UNITS)), 4)
    judged = network(*ordered(), 1)
    assert verdict(judged, start)[0] == verdict(judged, None)[0] == "present"
