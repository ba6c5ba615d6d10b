"""The speech denoiser: its weights, spectra, WAV files, example and training script."""

import importlib
import io
import math
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile
from hypothesis import given, settings
from hypothesis import strategies as st

import descrambler as ds

FOLDER = Path(__file__).parents[2] / "examples" / "denoiser"
sys.path.append(str(FOLDER))

import denoiser  # noqa: E402
from wav import read_wav, write_wav  # noqa: E402


@pytest.fixture
def script(monkeypatch):
    """Import a module of examples/denoiser."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def chirp(n=8000, dtype=np.float64):
    return np.sin(np.linspace(0, 30, n) ** 2).astype(dtype)


# Weights


def test_shipped_network_is_small_and_knows_where_it_comes_from():
    assert (FOLDER / "denoiser.npz").stat().st_size < 1_000_000
    network = denoiser.pretrained()
    provenance = network.provenance
    assert [network.linear(k).weight.shape for k in (1, 2, 3)] == 3 * [(129, 129)]
    assert network.linear(1).weight.dtype == network.initial.linear(3).weight.dtype == np.float32
    assert provenance["command"].startswith("python examples/denoiser/train.py")
    assert f"--seed {provenance['seed']}" in provenance["command"]
    assert {"torch", "numpy", "espeak-ng"} <= set(provenance["versions"])
    gain = provenance["validation_snr_improvement_db"]
    assert gain["untrained"] < 1 < gain["network"]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("criterion", ["sum", "norm_square"])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_shipped_matrices_have_certified_diagonals(layer, criterion, side):
    w = denoiser.pretrained().linear(layer).weight.astype(np.float64)
    result = ds.diagonalize(w, criterion, side=side)
    assert result.optimality == "certified"
    p = result.rotation.matrix
    diagonal = np.diag(p @ w if side == "left" else w @ p.T)
    value = diagonal.sum() if criterion == "sum" else np.square(diagonal).sum()
    assert value == pytest.approx(result.objective, rel=1e-9)
    assert np.square(diagonal).sum() > 10 * np.square(np.diag(w)).sum()


# Spectra


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3000), st.sampled_from([np.float32, np.float64]))
def test_gains_of_one_give_the_waveform_back(n, dtype):
    waveform = chirp(n, dtype)
    spectrum = denoiser.analyze(waveform)
    assert spectrum.shape[1] == 129
    again = denoiser.synthesize(spectrum, n)
    assert again.shape == (n,) and again.dtype == dtype
    np.testing.assert_allclose(again, waveform, atol=20 * np.finfo(dtype).eps)
    # A network whose logistic is saturated: gains of one, by the whole road.
    one = ds.Network(
        [ds.Linear(np.zeros((129, 129)), np.full(129, 100.0)), ds.Activation("logistic")]
    )
    np.testing.assert_allclose(
        denoiser.denoise(waveform, one), waveform, atol=20 * np.finfo(dtype).eps
    )


def test_a_tone_is_in_its_bin():
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / denoiser.SAMPLE_RATE)
    spectrum = denoiser.analyze(tone)
    assert (np.abs(spectrum[5:-5]).argmax(axis=1) == 1000 / 31.25).all()


@pytest.mark.parametrize("loudness", [1e-250, 1e-12, 1e-3, 1e6, 1e250])
def test_features_do_not_depend_on_loudness(loudness):
    waveform = np.random.default_rng(0).standard_normal(4000)
    expected = denoiser.features(denoiser.analyze(waveform))
    assert expected.dtype == np.float32
    np.testing.assert_allclose(
        denoiser.features(denoiser.analyze(loudness * waveform)), expected, atol=1e-5
    )
    np.testing.assert_allclose(
        denoiser.denoise(loudness * waveform) / loudness, denoiser.denoise(waveform), atol=1e-5
    )


def test_steady_tones_are_the_quiet_that_features_are_measured_from():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / denoiser.SAMPLE_RATE)
    x = denoiser.features(denoiser.analyze(tone))
    np.testing.assert_allclose(x[5:-5, 32], 0, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 100, 5000])
def test_silence_stays_silence(n, dtype):
    denoised = denoiser.denoise(np.zeros(n, dtype))
    assert denoised.dtype == dtype
    np.testing.assert_array_equal(denoised, np.zeros(n))


def test_snr():
    assert denoiser.snr([3.0, 4.0], [3.0, 3.5]) == pytest.approx(20)
    assert denoiser.snr([1.0], [1.0]) == math.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: denoiser.denoise([]), "waveform must not be empty"),
        (lambda: denoiser.denoise([0.0, np.nan]), "waveform must be finite"),
        (lambda: denoiser.denoise(np.zeros((2, 10))), "waveform must have 1 dimension"),
        (lambda: denoiser.denoise(["a"]), "waveform must be a real numeric array"),
        (lambda: denoiser.denoise(np.zeros(9), ds.deer.pretrained()), "network must have 129"),
        (lambda: denoiser.features(np.ones((5, 128))), r"spectrum must have shape \(m, 129\)"),
        (lambda: denoiser.features(np.ones((0, 129))), r"spectrum must have shape \(m, 129\)"),
        (lambda: denoiser.synthesize(np.full((5, 129), np.nan), 9), "spectrum must be finite"),
        (lambda: denoiser.synthesize(np.ones((5, 129)), 257), "n must be 0 to 256 for 5 frames"),
        (lambda: denoiser.snr([1.0], [1.0, 2.0]), "estimate must have 1 samples, got 2"),
        (lambda: denoiser.snr([0.0], [1.0]), "clean must not be silent"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


# WAV files


@pytest.mark.parametrize(
    ("dtype", "scale", "zero"),
    [(np.uint8, 128, 128), (np.int16, 2**15, 0), (np.int32, 2**31, 0), (np.float32, 1, 0)],
)
def test_sample_formats_have_one_full_scale(dtype, scale, zero):
    stream = io.BytesIO()
    samples = (0.5 * scale * chirp(500) + zero).astype(dtype)
    scipy.io.wavfile.write(stream, 8000, samples)
    stream.seek(0)
    found = read_wav(stream)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 0.5 * chirp(500), atol=2 / min(scale, 2**15) + 1e-6)


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000, 11_025])
def test_other_rates_and_channels_become_one_channel_at_8_khz(rate, tmp_path):
    time = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * 440 * time)
    scipy.io.wavfile.write(tmp_path / "x.wav", rate, np.column_stack([tone, 0.5 * tone]))
    found = read_wav(tmp_path / "x.wav")
    assert found.shape == (8000,)
    expected = 0.75 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    np.testing.assert_allclose(found[200:-200], expected[200:-200], atol=0.005)


def test_written_waveforms_are_read_back(tmp_path):
    write_wav(tmp_path / "x.wav", 0.9 * chirp())
    np.testing.assert_allclose(read_wav(tmp_path / "x.wav"), 0.9 * chirp(), atol=1e-4)
    write_wav(tmp_path / "loud.wav", 5 * chirp())
    loud = read_wav(tmp_path / "loud.wav")
    np.testing.assert_allclose(loud, chirp() / np.abs(chirp()).max(), atol=1e-4)


def wav(rate=8000, samples=(0.0, 0.5)):
    stream = io.BytesIO()
    scipy.io.wavfile.write(stream, rate, np.asarray(samples, np.float32))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a readable WAV file"),
        (b"RIFF no such thing", "is not a readable WAV file"),
        (wav()[:30], "is not a readable WAV file"),
        (wav(samples=[]), "has no samples"),
        (wav(samples=[0.0, np.nan]), "has NaN or infinity"),
        (wav(rate=999), "sample rate from 1 to 384 kHz, got 999 Hz"),
        (wav(rate=2**29 - 1), "sample rate from 1 to 384 kHz"),
        (wav()[:24] + struct.pack("<I", 0) + wav()[28:], "sample rate from 1 to 384 kHz, got 0"),
    ],
)
def test_bad_files_are_refused(content, message, tmp_path):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_wav(path)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.integers(0, 60), st.integers(0, 255), min_size=1, max_size=4))
def test_damaged_files_are_read_or_refused(changes):
    content = bytearray(wav(samples=chirp(50)))
    for place, value in changes.items():
        content[place] = value
    try:
        assert np.isfinite(read_wav(io.BytesIO(content))).all()
    except ValueError as error:
        assert str(error).startswith("source ")


def test_nan_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="waveform must be finite"):
        write_wav(tmp_path / "x.wav", [np.nan])
    assert not list(tmp_path.iterdir())


# Example


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["denoise_wav.py", *map(str, arguments)])
    script("denoise_wav").main()


def test_example_denoises_its_own_clip(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(script, monkeypatch)
    clean = read_wav(FOLDER / "speech.wav")
    noisy, denoised = (read_wav(f"{name}.wav") for name in ("noisy", "denoised"))
    assert clean.shape == noisy.shape == denoised.shape
    assert denoiser.snr(clean, noisy) == pytest.approx(5, abs=0.01)
    assert denoiser.snr(clean, denoised) > 8
    assert f"{denoiser.snr(clean, denoised):.1f} dB" in capsys.readouterr().out


def test_example_takes_any_wav(script, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).standard_normal((22_050, 2)).astype(np.float32) / 5
    scipy.io.wavfile.write(tmp_path / "in.wav", 44_100, noise)
    run(script, monkeypatch, tmp_path / "in.wav", tmp_path / "out.wav")
    rate, samples = scipy.io.wavfile.read(tmp_path / "out.wav")
    assert (rate, samples.shape, samples.dtype) == (8000, (4000,), np.int16)
    # Nothing but noise: most of it goes.
    heard = read_wav(tmp_path / "in.wav")
    assert np.linalg.norm(samples / 2**15) < 0.5 * np.linalg.norm(heard)


@pytest.mark.parametrize("name", ["missing.wav", "bad.wav"])
def test_example_says_what_is_wrong_and_writes_nothing(script, tmp_path, monkeypatch, capsys, name):
    (tmp_path / "bad.wav").write_text("not a WAV file")
    with pytest.raises(SystemExit) as caught:
        run(script, monkeypatch, tmp_path / name, tmp_path / "out.wav")
    assert caught.value.code == 1
    assert name in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("snr", [0, 5, 10])
@pytest.mark.parametrize("kind", ["white", "pink", "washing machine"])
def test_network_improves_the_clip_and_the_untrained_one_does_not(script, kind, snr):
    corpus = script("corpus")
    rng = np.random.default_rng(1)
    clean = read_wav(FOLDER / "speech.wav")
    makers = {
        "white": lambda: corpus.colored(rng, clean.size, 0),
        "pink": lambda: corpus.colored(rng, clean.size, 1),
        "washing machine": lambda: corpus.washing_machine(rng, clean.size),
    }
    noisy = corpus.mix(clean, makers[kind](), snr)
    assert denoiser.snr(clean, noisy) == pytest.approx(snr, abs=1e-4)
    network = denoiser.pretrained()
    gain = denoiser.snr(clean, denoiser.denoise(noisy, network)) - snr
    assert gain > max(1.5, denoiser.snr(clean, denoiser.denoise(noisy, network.initial)) - snr)


def test_noises_are_of_unit_power_and_the_color_they_say(script):
    corpus = script("corpus")
    rng = np.random.default_rng(0)
    n = 1 << 16
    for noise in (corpus.hum(rng, n), corpus.washing_machine(rng, n)):
        assert np.isfinite(noise).all() and np.mean(noise**2) == pytest.approx(1)
    for exponent in (0, 1, 2):
        power = np.abs(np.fft.rfft(corpus.colored(rng, n, exponent))) ** 2
        frequency = np.arange(len(power))
        band = slice(len(power) // 50, None)
        slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
        assert slope == pytest.approx(-exponent, abs=0.05)


def test_import_does_not_load_the_slow_signal_module():
    code = "import sys, descrambler; print('scipy.signal' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Evaluation script


def test_baselines_are_no_straw_men(script):
    corpus, evaluate = script("corpus"), script("evaluate")
    clean = read_wav(FOLDER / "speech.wav").astype(np.float64)
    noise = corpus.colored(np.random.default_rng(0), clean.size, 0)
    noisy = corpus.mix(clean, noise, 0)
    before = evaluate.si_sdr(clean, noisy)
    blind, told = (
        evaluate.si_sdr(clean, method(noisy, noisy - clean)) - before
        for method in (evaluate.blind_wiener, evaluate.told_wiener)
    )
    assert 3 < blind < told


def test_si_sdr_does_not_reward_attenuation(script):
    evaluate = script("evaluate")
    rng = np.random.default_rng(0)
    clean, noisy = chirp(), chirp() + rng.standard_normal(8000)
    assert evaluate.si_sdr(clean, 0.5 * noisy) == pytest.approx(evaluate.si_sdr(clean, noisy))
    # An error at right angles to the speech, of a tenth of its energy.
    error = rng.standard_normal(8000)
    error -= clean * (error @ clean) / (clean @ clean)
    error *= np.linalg.norm(clean) / np.linalg.norm(error) / np.sqrt(10)
    assert evaluate.si_sdr(clean, clean + error) == pytest.approx(10)


# Descrambling script


def test_detectors_see_what_is_planted(script):
    descramble = script("descramble")
    n = descramble.N
    assert descramble.shares(np.eye(n) + np.eye(n, k=1)).near == 1
    assert descramble.shares(np.ones((n, n))).diagonal == pytest.approx(1 / n)
    hidden = ds.group.random_rotation(n, 0) @ np.diag(np.linspace(1, 2, n))
    form = descramble.diagonal_form(hidden, "norm_square", "left")
    assert descramble.shares(form).diagonal == pytest.approx(1)
    rng = np.random.default_rng(0)
    mean, deviation = descramble.spread(descramble.gaussian, hidden, "sum", "left")
    assert mean.diagonal == pytest.approx((8 / (3 * np.pi)) ** 2, abs=0.005)
    assert 0 < deviation.diagonal < 0.01
    # Signals of one frequency each leave the rest spread evenly; smooth ones draw it together.
    near = [
        descramble.spread(descramble.colored(signals, "right"), hidden, "sum", "right")[0].near
        for signals in (np.eye(n), np.tril(np.ones((n, n))))
    ]
    assert near[0] == pytest.approx(0.06, abs=0.01)
    assert near[1] > 0.2
    values = np.linalg.svd(descramble.haar(rng, hidden), compute_uv=False)
    np.testing.assert_allclose(values, np.linspace(2, 1, n), rtol=1e-10)


def test_mean_jacobian_is_the_finite_difference(script):
    network = denoiser.pretrained()
    x = np.random.default_rng(0).standard_normal((3, 129))
    jacobian = script("descramble").mean_jacobian(network, x)
    step = 1e-5 * np.random.default_rng(1).standard_normal(129)
    difference = (network(x + step) - network(x - step)).mean(axis=0) / 2
    np.testing.assert_allclose(jacobian @ step, difference, atol=1e-9)


# Training


def test_training_learns(script, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch (the extra `train`) is not installed")
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    train, corpus = script("train"), script("corpus")
    monkeypatch.setattr(train, "VALIDATION", 20)
    monkeypatch.setattr(corpus, "HELD_OUT_SENTENCES", corpus.HELD_OUT_SENTENCES[:2])
    rng = np.random.default_rng(0)
    speakers = list(corpus.utterances(corpus.TRAINING_SENTENCES[:2], ["en-us", "en-gb"], rng))
    assert len(speakers) == 4
    assert all(np.mean(s**2) == pytest.approx(1, rel=1e-3) for s in speakers)
    network = train.train(speakers, seed=1, steps=12, command="a test")
    provenance = network.provenance
    assert (provenance["seed"], provenance["steps"]) == (1, 12)
    gain = provenance["validation_snr_improvement_db"]
    assert gain["network"] > gain["untrained"]
