"""Verdicts with trained controls: each kind a null of its own, by an exact test with floors."""

import numpy as np
import pytest
import scipy.fft
import scipy.stats
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence._checks import other_recipe
from descrambler.evidence._claims import Claim
from descrambler.evidence._comparing import compared
from descrambler.evidence.detectors import DETECTORS

N, UNITS = 32, 12
BY_NAME = {detector.name: detector for detector in DETECTORS}
FEW = (BY_NAME["low-pass"], BY_NAME["low rank"])


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def two_layers(first, second):
    return ds.Network([ds.Linear(first), ds.Activation("tanh"), ds.Linear(second)])


def smooth(rng, n, k):
    """Orthonormal columns made of slow cosines."""
    spectrum = np.zeros((n, k))
    spectrum[: n // 2] = rng.standard_normal((n // 2, k))
    return np.linalg.qr(scipy.fft.idct(spectrum, axis=0, norm="ortho"))[0]


def control(seed):
    """What training on meaningless targets leaves: a smooth map of low rank, and any."""
    rng = np.random.default_rng([7, seed])
    gains = 0.6 ** np.arange(UNITS)
    turn = ds.group.random_rotation(UNITS, seed)
    first, second = smooth(rng, N, UNITS) * gains, smooth(rng, N, UNITS) * gains
    return two_layers(0.3 * turn @ first.T, second @ turn.T)


def kernel():
    t, r = np.linspace(0, 2, N)[:, None], np.linspace(1.5, 4, N)
    return np.cos(52 * t / r**3) * np.exp(-t)


def inverting(seed=0):
    """A network that is a regularized inverse of the kernel."""
    u, s, vt = np.linalg.svd(kernel())
    gains = (s / (s**2 + 0.1**2 * s[0] ** 2))[:UNITS]
    turn = ds.group.random_rotation(UNITS, 100 + seed)
    return two_layers(
        0.05 * turn @ np.diag(np.sqrt(gains)) @ u[:, :UNITS].T,
        vt[:UNITS].T @ np.diag(np.sqrt(gains)) @ turn.T,
    )


def inputs(m=200):
    rng = np.random.default_rng(3)
    place = rng.integers(0, N, m)
    return kernel().T[place] + 0.1 * rng.standard_normal((m, N))


def controls(once=19, anew=19):
    return {
        "once": [control(s) for s in range(once)],
        "anew": [control(100 + s) for s in range(anew)],
    }


def interpreted(network, given=None, **options):
    options = {"nulls": 20, "reference": kernel(), "detectors": FEW, "threads": 1} | options
    return ds.interpret(network, inputs(), controls=given, **options)


def inverse(result):
    return next(f for f in result.findings if f.what == "inverse of the reference")


def test_controls_of_both_kinds_make_a_claim_learnt():
    result = interpreted(inverting(), controls())
    finding = inverse(result)
    assert finding.verdict == "learnt"
    assert finding.value > 0.9
    assert finding.p == pytest.approx(0.05)
    assert finding.p_text == "<= 0.05"
    assert {kind: c.n for kind, c in finding.controls.items()} == {"once": 19, "anew": 19}
    assert finding.strongest in ("shuffled once", "shuffled anew")
    assert result.table()[1][0] == finding.what
    assert "1 learnt" in result.summary()
    assert "19 controls (shuffled once), 19 controls (shuffled anew)" in result.summary()
    again = finding.to_dict()
    assert again["controls"]["once"]["values"] == list(finding.controls["once"].values)


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (None, "beyond the nulls; no controls were given"),
        ({"once": 19, "anew": 0}, "beyond shuffled once; anew not given"),
        ({"once": 0, "anew": 19}, "beyond shuffled anew; once not given"),
        ({"once": 19, "anew": 9}, "only 9 of anew, 19 needed"),
    ],
)
def test_without_controls_it_is_present_and_the_sentence_says_why(given, note):
    finding = inverse(interpreted(inverting(), given and controls(**given)))
    assert finding.verdict == "present"
    assert note in finding.sentence


def test_each_kind_must_be_beaten_by_itself():
    """Two of one kind that show the claim are enough to explain it."""
    given = controls()
    given["anew"][:2] = [inverting(1), inverting(2)]
    finding = inverse(interpreted(inverting(), given))
    assert finding.verdict == "explained by shuffled targets"
    assert finding.strongest == "shuffled anew"
    assert finding.controls["once"].p == pytest.approx(0.05)
    other = controls() | {"other task": [inverting(s) for s in range(1, 20)]}
    assert inverse(interpreted(inverting(), other)).verdict == "explained by other task"


def test_the_recipe_explains_what_true_networks_of_the_controls_do_not_show():
    shown = controls() | {"true": [inverting(s) for s in range(1, 4)]}
    assert inverse(interpreted(inverting(), shown)).verdict == "learnt"
    hidden = controls() | {"true": [control(s) for s in range(50, 53)]}
    finding = inverse(interpreted(inverting(), hidden))
    assert finding.verdict == "explained by the recipe"


def with_recipe(network, **settings):
    return ds.Network(network.layers, provenance={"settings": settings})


def test_controls_of_another_recipe_make_a_claim_present_at_most():
    judged = with_recipe(inverting(), weight_decay=0.0, random_state=3)
    same, other = (
        {
            kind: [
                with_recipe(x, weight_decay=decay, random_state=k) for k, x in enumerate(networks)
            ]
            for kind, networks in controls().items()
        }
        for decay in (0.0, 1e-6)
    )
    assert inverse(interpreted(judged, same)).verdict == "learnt"
    finding = inverse(interpreted(judged, other))
    assert finding.verdict == "present"
    assert "the controls have weight_decay 1e-06, the network 0.0" in finding.sentence
    true = other | {"true": [inverting(s) for s in range(1, 4)]}
    assert inverse(interpreted(judged, true)).verdict == "learnt"


def refitted(network, **settings):
    record = {"recipe": "refit_controls", "kind": "once", "number": 3, "seed": 1}
    return ds.Network(network.layers, provenance=record | settings)


def test_refitted_controls_without_true_networks_are_of_another_recipe():
    """Those on the true targets can be left out of what `refit_controls` returns; the recipe stays another."""
    given = {k: [refitted(x, n_steps=50) for x in networks] for k, networks in controls().items()}
    finding = inverse(interpreted(inverting(), given))
    assert finding.verdict == "present"
    assert "trained by refit_controls, the network was not" in finding.sentence
    assert other_recipe(with_recipe(inverting(), n_steps=50), given)
    true = {"true": [refitted(inverting(s), n_steps=50) for s in range(1, 4)]}
    assert other_recipe(inverting(), given | true) == ""
    assert other_recipe(refitted(inverting(), n_steps=50), given) == ""
    longer = other_recipe(refitted(inverting(), n_steps=70), given)
    assert longer == "the controls have n_steps 50, the network 70"


def test_networks_that_learnt_nothing_have_nothing_learnt():
    """Each judged by nineteen others of its kind: at most one in twenty families, and not one is expected.

    All detectors but the ridge finder, which takes as long as all others.
    """
    detectors = [d for d in DETECTORS if d.name != "link frequency map"]
    learnt = [
        f.what
        for seed in range(200, 206)
        for f in interpreted(control(seed), controls(), detectors=detectors).findings
        if f.verdict == "learnt"
    ]
    assert len(learnt) <= 1


def claims_of(*names):
    return [Claim(BY_NAME[name], 0, float(BY_NAME[name].floor), "") for name in names]


@pytest.mark.parametrize("spread", [1, 3])
def test_error_within_a_kind_is_the_level_with_heavy_tails_and_floors(spread):
    """Exchangeable families of correlated, heavy-tailed values, some below the floors, some missing."""
    family = claims_of("low-pass", "band-pass", "notch at zero", "frequency map")
    rng = np.random.default_rng(spread)
    mix = rng.standard_normal((4, 4))
    false = 0
    for _ in range(800):
        values = rng.standard_t(2, (20, 4)) @ mix * spread + [6, 4, 7, 0]
        values[:, 3] = np.tanh(values[:, 3])
        values[rng.random((20, 4)) < 0.1] = np.nan
        p = [c.p for c in compared(family, values[0], values[1:]).values()]
        false += min(p) <= 0.05
    assert scipy.stats.binomtest(false, 800, 0.05, alternative="greater").pvalue > 1e-3


def test_values_below_the_floor_count_for_nothing_on_either_side():
    family = claims_of("low-pass")
    low = np.linspace(0, 5, 19)[:, None]
    (found,) = compared(family, np.array([5.9]), low).values()
    assert found.p == 1  # far beyond the controls, but no low-pass
    (found,) = compared(family, np.array([6.1]), low + 0.9).values()
    assert found.p == pytest.approx(0.05)
    assert compared(family, np.array([7.0]), np.full((19, 1), np.nan)) == {}


def test_effect_is_students_t_on_the_natural_scale():
    family = claims_of("frequency map")
    draws = np.tanh(np.random.default_rng(0).standard_normal((19, 1)))
    (found,) = compared(family, np.array([-0.9]), draws).values()
    z = np.arctanh(np.abs(draws[:, 0]))
    expected = (np.arctanh(0.9) - z.mean()) / (z.std(ddof=1) * np.sqrt(1 + 1 / 19))
    assert found.effect == pytest.approx(expected)


def test_controls_that_are_none_are_refused():
    network, given = inverting(), controls(3, 3)
    with pytest.raises(TypeError, match="controls must be a mapping such as"):
        interpreted(network, given["once"])
    with pytest.raises(ValueError, match=r"controls\['once'\]\[0\] has the weights of the network"):
        interpreted(network, {"once": [inverting()]})
    with pytest.raises(ValueError, match=r"\[1\] has the weights of controls\['once'\]\[0\]"):
        interpreted(network, {"once": [control(1), control(1)]})
    narrow = two_layers(np.ones((5, N)), np.ones((N, 5)))
    with pytest.raises(ValueError, match=r"must have the layers of the network, weights of shapes"):
        interpreted(network, {"once": [narrow]})
    with pytest.raises(
        TypeError, match=r"controls\['once'\]\[0\] must be a Network, a path, .* got int"
    ):
        interpreted(network, {"once": [3]})


def test_an_initialization_that_is_always_the_same_is_refused():
    same = control(3)
    with pytest.raises(ValueError, match="another network for each seed, got the same weights"):
        ds.interpret(control(0), inputs(), initial=lambda seed: same)


def test_a_transposed_reference_is_said_to_be_one():
    """Of a square map only the values tell."""
    sentence = inverse(interpreted(inverting(), reference=kernel().T)).sentence
    assert "the transposed reference has" in sentence
    assert "transposed" not in inverse(interpreted(inverting())).sentence
    with pytest.raises(ValueError, match=r"\(n_in, n_out\) = \(32, 32\).*got \(32, 31\)"):
        interpreted(inverting(), reference=kernel()[:, 1:])
    with pytest.raises(ValueError, match="reference must not be all zero"):
        interpreted(inverting(), reference=np.zeros((N, N)))


def test_the_inverse_is_found_at_every_regularization():
    from descrambler.evidence.detectors._reference import Reference

    u, s, vt = np.linalg.svd(kernel())
    for width in (1.0, 0.1, 1e-3):
        map_ = vt.T @ np.diag(s / (s**2 + (width * s[0]) ** 2)) @ u.T
        assert Reference(kernel()).correlation(1e6 * map_) == pytest.approx(1)
    noise = np.random.default_rng(0).standard_normal((N, N))
    assert abs(Reference(kernel()).correlation(noise)) < 0.2
