"""95 % bands: calibrated on simulated traces, checked on others, for one ensemble and no other."""

import numpy as np
import pytest

from descrambler import deer
from descrambler.cli._main import main
from descrambler.deer._ensemble import member_deviation, members

KINDS = [kind for kind in deer.PRETRAINED if kind.n_layers == 2]


@pytest.fixture(scope="module")
def networks():
    return [deer.pretrained(*kind) for kind in KINDS]


@pytest.fixture(scope="module")
def calibration(networks):
    return deer.calibrate(networks, 600)


def test_the_truth_is_in_the_band(networks, calibration):
    found = deer.coverage(networks, calibration, 600)
    assert 0.93 <= found.overall <= 0.975
    assert found.inside.shape == (5, 5)
    assert len(found.outside) <= 3  # of 25 with about 80 traces each
    assert found.distance[[0, -1]] == pytest.approx([11.8, 59.3], abs=0.1)


def test_a_band_that_is_too_narrow_is_seen(networks, calibration):
    narrow = deer.Calibration(
        tuple(k / 4 for k in calibration.factors),
        calibration.n_networks, calibration.n_traces, "deer", calibration.networks,
    )  # fmt: skip
    found = deer.coverage(networks, narrow, 200)
    assert found.overall < 0.8
    assert len(found.outside) >= 22


def test_the_shipped_calibration_is_what_its_command_gives(networks, calibration):
    shipped = deer.shipped_calibration(networks[::-1], "deer")
    assert shipped.n_traces == 4000
    assert shipped.n_networks == 5
    assert shipped.factors == pytest.approx(calibration.factors, rel=0.35)
    assert deer.shipped_calibration(networks[:4], "deer") is None
    assert deer.shipped_calibration(networks, "ridme") is None


def test_files(calibration, networks, tmp_path):
    calibration.save(tmp_path / "c.json")
    assert deer.load_calibration(tmp_path / "c.json") == calibration
    with pytest.raises(ValueError, match="calibration must be of these 2 networks, got one of 5"):
        calibration.check(networks[:2], "deer")
    with pytest.raises(ValueError, match="must be for ridme, got one for deer"):
        calibration.check(networks, "ridme")
    for text in ("{}", "[]", "nonsense", '{"schema": "other"}'):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(ValueError, match="is not a calibration"):
            deer.load_calibration(tmp_path / "c.json")


def test_calibrations_that_cannot_be_made(networks):
    with pytest.raises(ValueError, match="two or more for a band, got 1"):
        deer.calibrate(networks[:1])
    with pytest.raises(ValueError, match="n must be at least 100"):
        deer.calibrate(networks, 20)


def test_deviation_of_members():
    """Constant variance stays; n - 1 in the denominator."""
    found = np.array([[1.0], [2.0], [6.0]]) * np.ones((3, 50))
    np.testing.assert_allclose(member_deviation(found), np.sqrt(7))


def test_released_networks_are_averaged_over_samplings():
    class Stub:
        n_in, n_out = 320, 512

        def __call__(self, x):
            return np.tile(np.abs(x[:, 130:131]) + 0.1, (1, 512)) * np.linspace(1, 2, 512)

    traces = deer.simulate(3, 0, 512).traces
    found = members([Stub(), Stub()], traces, 4)
    assert found.shape == (2, 3, 512)
    np.testing.assert_allclose(found.sum(axis=2), 1)


def simulated(depth=0.4, rate=0.25, seed=0, distance=35.0):
    time = np.arange(300) * 0.008
    form = deer.kernel(time, [distance])[:, 0]
    noise = 0.003 * np.random.default_rng(seed).standard_normal(300)
    return deer.Trace(time, (1 - depth + depth * form) * np.exp(-rate * time) + noise)


def test_results_with_their_spread(networks):
    found = deer.predict_distances(
        networks, simulated(), calibration=deer.shipped_calibration(networks, "deer")
    )
    assert (found.lower <= found.density).all() and (found.density <= found.upper).all()
    assert (found.lower >= 0).all()
    (peak,) = found.peaks
    assert peak.members == 5
    assert 0 < peak.position_spread < 1 and 0 < peak.width_spread < 2
    assert 0 < found.depth_spread < 0.05
    assert found.background_spread.shape == (300,)
    alone = deer.predict_distances(networks[:1], simulated())
    assert alone.lower is None
    assert np.isnan(alone.depth_spread) and np.isnan(alone.peaks[0].position_spread)


def test_several_traces_with_one_background():
    """The dilution series that shares a rate is fitted with one; alone, each has its own."""
    traces = [simulated(depth, seed=k) for k, depth in enumerate((0.1, 0.3, 0.5))]
    factors = [deer.kernel(trace.time, [35.0])[:, 0] for trace in traces]
    fits = deer.fit_traces(traces, factors)
    assert len({fit.parameters for fit in fits}) == 1
    assert [fit.depth for fit in fits] == pytest.approx([0.1, 0.3, 0.5], abs=0.01)
    rate, dimension = fits[0].parameters[0] / fits[0].duration, fits[0].parameters[1]
    assert rate == pytest.approx(0.25, abs=0.02)
    assert dimension == pytest.approx(3, abs=0.15)
    np.testing.assert_allclose(fits[0].background_at(traces[0].time), fits[0].background)


def test_dimension_of_the_background():
    trace = simulated()
    form = deer.kernel(trace.time, [35.0])[:, 0]
    assert 2.2 <= deer.fit_trace(trace, form, dimension=(2.2, 2.4)).parameters[1] <= 2.4
    assert deer.fit_trace(trace, form, dimension=(3, 3)).parameters[1] == pytest.approx(3)
    for wrong in ((1, 3), (3, 4), (3.2, 3.0)):
        with pytest.raises(
            ValueError, match="dimension must be two ascending numbers within 2 to 3.5"
        ):
            deer.fit_trace(trace, form, dimension=wrong)
    with pytest.raises(ValueError, match="dimension must be None for RIDME"):
        deer.fit_trace(trace, form, "ridme", (3, 3.5))


def test_commands(tmp_path, capsys):
    assert main(["calibrate", "--traces", "300", "-o", str(tmp_path / "bands")]) == 0
    assert "overall 0.9" in capsys.readouterr().out
    strata = np.genfromtxt(tmp_path / "bands" / "coverage.csv", delimiter=",", names=True)
    assert len(strata) == 25
    trace = simulated()
    np.savetxt(tmp_path / "trace.txt", np.stack([trace.time, trace.signal], axis=1))
    out = tmp_path / "out"
    command = ["deer", str(tmp_path / "trace.txt"), "--calibration", str(tmp_path / "bands" / "calibration.json")]  # fmt: skip
    assert main([*command, "--dimension", "3", "3.5", "-o", str(out)]) == 0
    assert "300 simulated traces" in capsys.readouterr().out
    table = np.genfromtxt(out / "distribution.csv", delimiter=",", names=True)
    assert table.dtype.names[3:] == ("lower_95", "upper_95", *(f"member_{k}" for k in range(1, 6)))
    found = np.mean([table[f"member_{k}"] for k in range(1, 6)], axis=0)
    np.testing.assert_allclose(found, table["density_per_angstrom"], rtol=1e-5, atol=1e-7)
    results = np.genfromtxt(
        out / "results.csv", delimiter=",", names=True, dtype=None, encoding=None
    )
    assert 3 <= results["background_dimension"] <= 3.5
    assert main([*command, "--shared-background", "-o", str(tmp_path / "two")]) == 2
    assert "needs two or more traces" in capsys.readouterr().err
