"""Denoise a WAV file; without arguments, a short clip that ships beside this script.

python denoise_wav.py noisy.wav denoised.wav
python denoise_wav.py            # writes noisy.wav and denoised.wav here, prints the SNRs
"""

from __future__ import annotations

import argparse
from pathlib import Path

import corpus
import denoiser
import numpy as np
from wav import read_wav, write_wav


def demonstrate(folder: Path) -> None:
    """Put the clip beside a washing machine, at 5 dB, and denoise it."""
    clean = read_wav(Path(__file__).with_name("speech.wav"))
    noise = corpus.washing_machine(np.random.default_rng(0), clean.size)
    noisy = corpus.mix(clean, noise, snr=5)
    denoised = denoiser.denoise(noisy)
    write_wav(folder / "noisy.wav", noisy)
    write_wav(folder / "denoised.wav", denoised)
    print(f"noisy.wav:    {denoiser.snr(clean, noisy):5.1f} dB")
    print(f"denoised.wav: {denoiser.snr(clean, denoised):5.1f} dB")


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description="Denoise speech in a WAV file.")
    parser.add_argument("input", nargs="?", help="WAV file of any sample rate and channels")
    parser.add_argument("output", nargs="?", help="WAV file to write: 8 kHz, one channel")
    options = parser.parse_args()
    if options.input is None:
        demonstrate(Path())
    elif options.output is None:
        parser.error("output is missing")
    else:
        try:
            write_wav(options.output, denoiser.denoise(read_wav(options.input)))
        except (OSError, ValueError) as error:
            parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
