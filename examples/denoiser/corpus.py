"""Speech from espeak-ng, and noise, for training and judging the denoiser."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator, Sequence

import denoiser
import numpy as np
from numpy.typing import NDArray
from wav import read_wav

Waveform = NDArray[np.floating]

TRAINING_SENTENCES = (
    "The train to the coast leaves from the far platform at a quarter past nine.",
    "She put the blue cup on the shelf above the kitchen window.",
    "Nobody in the village could remember such a cold spring.",
    "We measured the temperature every hour and wrote it in a small black book.",
    "Please close the gate, or the sheep will walk into the garden.",
    "His grandfather built wooden boats and painted them yellow.",
    "The old bridge shakes whenever a heavy lorry crosses it.",
    "Five thousand people were waiting in the square before sunrise.",
    "A good question is often worth more than a quick answer.",
    "They bought fresh bread, cheese, and a jar of honey at the market.",
    "The doctor asked her to breathe in slowly and to hold her breath.",
    "Rain fell on the tin roof all night and nobody slept much.",
    "Choose a number between one and seven, and keep it to yourself.",
    "Our neighbor plays the violin, though not very well.",
    "The judge looked over his glasses and sighed.",
    "Thick fog hid the harbor, and the ships stayed where they were.",
    "My sister studies the behavior of whales in the northern seas.",
    "If the fuse blows again, switch off the oven first.",
    "The museum keeps a large collection of clocks, most of them broken.",
    "You should write the address clearly on the front of the envelope.",
    "Half of the class had never seen a live frog before.",
    "He forgot his umbrella in the taxi, as usual.",
    "The young pianist bowed twice and left the stage.",
    "A thin layer of ice covered the pond behind the church.",
    "Which of these two roads goes to the airport?",
    "The photograph shows my mother beside her first bicycle.",
    "Strong coffee and a short walk usually help.",
    "The engineers found a crack in the third wheel.",
    "Every evening the shepherd counts his flock and locks the door.",
    "Turn left after the bakery and follow the river for a mile.",
    "Zebras, giraffes and lions drank from the same muddy pool.",
    "The parcel should arrive on Thursday, or Friday at the latest.",
    "It is easier to ask for forgiveness than for permission.",
    "The choir sang three songs in a language that no one understood.",
    "Oh, how quickly the summer went this year!",
    "A pinch of salt improves almost any cake.",
    "The committee will vote on the new budget tomorrow.",
    "Wash the glass with vinegar and dry it with newspaper.",
    "Her voice was calm, but her hands were trembling.",
    "Ten big ships sailed south with cargo for the islands.",
    "The mouse chewed through the cable and cut off the whole office.",
    "There was a chess board on the table and an empty bottle of juice.",
    "Why would anyone paint a perfectly good piano green?",
    "The lake is deepest near the northern shore.",
    "Both brothers wanted to be pilots when they were children.",
    "Pour the hot water over the leaves and wait four minutes.",
    "This path is closed from October until the end of March.",
    "A crowd of pigeons rose from the roof with a great noise.",
)
HELD_OUT_SENTENCES = (
    "The white horse jumped the fence and ran towards the hills.",
    "Would you like some more soup, or shall we order dessert?",
    "Seventeen students failed the exam in organic chemistry.",
    "A gentle wind carried the smell of oranges through the valley.",
    "The thief hid the jewels in a box under the staircase.",
    "My watch is always five minutes slow in cold weather.",
    "Please speak up, the washing machine is very loud.",
    "He reached the top of the mountain just before noon.",
)
TRAINING_VOICES = (
    "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-us-nyc",
    "en-us+m1", "en-gb+m2", "en-us+m3", "en-gb+m4", "en-us+m5", "en-gb-x-rp+m6",
    "en-us+f1", "en-gb+f2", "en-gb-scotland+f3", "en-us+f5",
)  # fmt: skip
HELD_OUT_VOICES = ("en-029", "en-gb-x-gbcwmd+m7", "en-us+m8", "en-gb+f4")


def speak(sentence: str, voice: str, words_per_minute: int = 160, pitch: int = 50) -> Waveform:
    """Return a sentence as espeak-ng says it: one channel at 8 kHz, of unit r.m.s."""
    if shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng is not installed (Debian: apt install espeak-ng)")
    settings = ["-v", voice, "-s", str(words_per_minute), "-p", str(pitch)]
    command = ["espeak-ng", *settings, "--stdout", sentence]
    said = subprocess.run(command, check=True, capture_output=True).stdout
    return unit(read_wav(io.BytesIO(said)))


def utterances(
    sentences: Sequence[str], voices: Sequence[str], rng: np.random.Generator
) -> Iterator[Waveform]:
    """Yield every sentence in every voice, each at a random pace and pitch."""
    for sentence in sentences:
        for voice in voices:
            yield speak(sentence, voice, int(rng.integers(120, 220)), int(rng.integers(20, 80)))


def unit(waveform: Waveform) -> Waveform:
    """Scale to unit r.m.s."""
    return waveform / np.sqrt(np.mean(np.square(waveform)))


def mix(clean: Waveform, noise: Waveform, snr: float) -> Waveform:
    """Add noise at a signal-to-noise ratio in dB, over the whole length."""
    return clean + noise * (np.linalg.norm(clean) / np.linalg.norm(noise) * 10 ** (-snr / 20))


def colored(rng: np.random.Generator, n: int, exponent: float, ripple: float = 0.0) -> Waveform:
    """Gaussian noise of power 1 / f^exponent, times a random smooth spectrum (ripple, in nepers)."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    position = np.linspace(0, 1, len(spectrum))
    waves = np.cos(np.pi * np.outer(np.arange(1, 7), position))
    gain = np.exp(ripple * rng.standard_normal(6) @ waves / np.sqrt(3))
    # Below 60 Hz a loudspeaker gives nothing, and 1 / f noise would be nothing else.
    return unit(np.fft.irfft(spectrum * gain * np.maximum(position, 0.015) ** (-exponent / 2), n))


def babble(rng: np.random.Generator, n: int, speakers: Sequence[Waveform]) -> Waveform:
    """Six speakers at once, each of unit r.m.s."""
    chosen = rng.integers(len(speakers), size=6)
    starts = rng.integers(1 << 16, size=6)
    parts = [
        np.take(speakers[k], s + np.arange(n), mode="wrap")
        for k, s in zip(chosen, starts, strict=True)
    ]
    return unit(np.sum(parts, axis=0))


def hum(rng: np.random.Generator, n: int) -> Waveform:
    """Mains or a motor: harmonics of 40 to 250 Hz that waver, over some colored noise."""
    time = np.arange(n) / denoiser.SAMPLE_RATE
    drift = np.cumsum(colored(rng, n, 2)) / denoiser.SAMPLE_RATE
    cycles = rng.uniform(40, 250) * (time + 0.02 * drift)
    orders = np.arange(1, 16)
    amplitudes = rng.exponential(size=15) * orders ** -rng.uniform(0.3, 1.5)
    phases = rng.uniform(0, 2 * np.pi, 15)
    tones = amplitudes @ np.cos(2 * np.pi * np.outer(orders, cycles) + phases[:, None])
    return unit(unit(tones) + rng.uniform(0.1, 1) * colored(rng, n, 1, 1.0))


def washing_machine(rng: np.random.Generator, n: int) -> Waveform:
    """Imitate a drum that turns once a second: rumble, motor whine and splashes that come and go."""
    turn = 2 * np.pi * np.arange(n) / denoiser.SAMPLE_RATE * rng.uniform(0.7, 1.3)
    rumble = colored(rng, n, 1.5) * (1 + 0.6 * np.cos(turn))
    whine = np.sign(np.sin(turn * rng.integers(150, 300))) * (1 + 0.4 * np.cos(turn + 1))
    splashes = colored(rng, n, 0.5, 1.0) * np.maximum(0, np.cos(3 * turn + 2)) ** 4
    return unit(rumble + 0.3 * whine + 1.5 * splashes)


def training_noise(rng: np.random.Generator, n: int, speakers: Sequence[Waveform]) -> Waveform:
    """Colored noise, a babble or a hum; never the washing machine, which is kept for judging."""
    kind = rng.integers(4)
    if kind == 0:
        return babble(rng, n, speakers)
    if kind == 1:
        return hum(rng, n)
    return colored(rng, n, rng.uniform(0, 2), rng.choice([0.0, 1.0]))
