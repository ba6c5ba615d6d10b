"""Print how much the denoiser improves speech that it has not seen; needs espeak-ng."""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
from collections.abc import Callable, Sequence

import corpus
import denoiser
import numpy as np
from wav import read_wav

import descrambler as ds

LEVELS = (0, 5, 10)
QUANTILE = 0.2
FLITE_VOICES = ("slt", "rms", "awb")


def wiener(noisy: corpus.Waveform, noise_power: np.ndarray) -> corpus.Waveform:
    """Wiener filter with decision-directed a-priori ratios (Ephraim and Malah 1984)."""
    spectrum = denoiser.analyze(noisy)
    ratios = np.abs(spectrum) ** 2 / noise_power
    gains = np.empty_like(ratios)
    before = np.maximum(ratios[0] - 1, 0)
    for ratio, gain in zip(ratios, gains, strict=True):
        prior = 0.98 * before + 0.02 * np.maximum(ratio - 1, 0)
        gain[:] = prior / (1 + prior)
        before = gain**2 * ratio
    return denoiser.synthesize(spectrum * gains, noisy.size)


def blind_wiener(noisy: corpus.Waveform, _: corpus.Waveform) -> corpus.Waveform:
    """Take the noise from a low quantile over time, as the network does; exponential law assumed."""
    quiet = np.quantile(np.abs(denoiser.analyze(noisy)) ** 2, QUANTILE, axis=0)
    return wiener(noisy, quiet / -np.log(1 - QUANTILE))


def told_wiener(noisy: corpus.Waveform, noise: corpus.Waveform) -> corpus.Waveform:
    """Take the true mean spectrum of the very noise that was added: more than anyone can know."""
    return wiener(noisy, np.mean(np.abs(denoiser.analyze(noise)) ** 2, axis=0))


def si_sdr(clean: corpus.Waveform, estimate: corpus.Waveform) -> float:
    """Signal-to-noise ratio in dB at the best loudness of `clean`: mere attenuation gains nothing."""
    return denoiser.snr(clean * (np.vdot(clean, estimate) / np.vdot(clean, clean)), estimate)


def flite_speech() -> list[corpus.Waveform]:
    """Speech of another synthesizer, from recordings of people."""
    said = []
    for voice in FLITE_VOICES:
        for sentence in corpus.HELD_OUT_SENTENCES:
            command = ["flite", "-voice", voice, "-t", sentence, "-o", "/dev/stdout"]
            wav = subprocess.run(command, check=True, capture_output=True).stdout
            said.append(corpus.unit(read_wav(io.BytesIO(wav))))
    return said


def row(
    methods: Sequence[Callable[[corpus.Waveform, corpus.Waveform], corpus.Waveform]],
    clips: Sequence[corpus.Waveform],
    noises: Sequence[corpus.Waveform],
) -> list[str]:
    """Return the mean improvement by each method, one number a level."""
    gains = np.empty((len(methods), len(LEVELS), len(clips)))
    for k, (clean, noise) in enumerate(zip(clips, noises, strict=True)):
        for j, level in enumerate(LEVELS):
            noisy = corpus.mix(clean, noise, level)
            added = noisy - clean
            for i, method in enumerate(methods):
                gains[i, j, k] = si_sdr(clean, method(noisy, added)) - si_sdr(clean, noisy)
    return [" / ".join(f"{gain:.1f}" for gain in means) for means in gains.mean(axis=2)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", help="file of the network; else the shipped one")
    path = parser.parse_args().network
    network = ds.load(path) if path else denoiser.pretrained()
    methods = [
        lambda noisy, _: denoiser.denoise(noisy, network),
        lambda noisy, _: denoiser.denoise(noisy, network.initial),
        blind_wiener,
        told_wiener,
    ]
    rng = np.random.default_rng(20_210_118)
    espeak = list(corpus.utterances(corpus.HELD_OUT_SENTENCES, corpus.HELD_OUT_VOICES, rng))
    sources = {"espeak-ng": espeak}
    if shutil.which("flite"):
        sources["flite"] = flite_speech()
    else:
        print("flite is not installed: its rows are left out")
    kinds: dict[str, Callable[[int], corpus.Waveform]] = {
        "white": lambda n: corpus.colored(rng, n, 0),
        "pink": lambda n: corpus.colored(rng, n, 1),
        "hum": lambda n: corpus.hum(rng, n),
        "babble": lambda n: corpus.babble(rng, n, espeak),
        "washing machine": lambda n: corpus.washing_machine(rng, n),
    }
    print(f"Improvement of the SI-SDR in dB, at {' / '.join(map(str, LEVELS))} dB")
    print("| speech | noise | network | untrained | Wiener | Wiener told the noise |")
    print("|---|---|---|---|---|---|")
    for source, clips in sources.items():
        for kind, make in kinds.items():
            cells = row(methods, clips, [make(clip.size) for clip in clips])
            print(f"| {source} | {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
