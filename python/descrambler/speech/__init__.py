"""Speech at 8 kHz, denoised by a network on its short-time spectra."""

from .denoiser import SAMPLE_RATE, analyse, denoise, features, pretrained, snr, synthesise
from .wav import read_wav, write_wav

__all__ = [
    "SAMPLE_RATE",
    "analyse",
    "denoise",
    "features",
    "pretrained",
    "read_wav",
    "snr",
    "synthesise",
    "write_wav",
]
