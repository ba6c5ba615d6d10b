"""Train the denoiser on speech from espeak-ng plus noise; needs espeak-ng and PyTorch."""

from __future__ import annotations

import argparse
import math
import platform
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import corpus
import denoiser
import numpy as np
import scipy
import torch
from tqdm import tqdm

import descrambler as ds

CROP = 2 * denoiser.SAMPLE_RATE
BATCH = 8  # crops
VALIDATION = 200  # clips
WIDTHS = (129, 129, 129, 129)


def batch(
    speakers: Sequence[corpus.Waveform], seed: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return features, the noisy and the clean spectra (crop, frame, 129)."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(BATCH):
        start = rng.integers(1 << 16)
        clean = np.take(speakers[rng.integers(len(speakers))], start + np.arange(CROP), mode="wrap")
        noise = corpus.training_noise(rng, CROP, speakers)
        noisy = corpus.mix(clean, noise, snr=rng.uniform(-5, 15))
        spectrum = denoiser.analyze(noisy.astype(np.float32))
        rows.append((denoiser.features(spectrum), spectrum, denoiser.analyze(clean)))
    inputs, noisy_spectra, clean_spectra = (np.stack(part) for part in zip(*rows, strict=True))
    return tuple(map(torch.from_numpy, (inputs, noisy_spectra, clean_spectra)))


def initial_model(seed: int) -> torch.nn.Sequential:
    """Glorot's uniform weights, no biases yet."""
    torch.manual_seed(seed)
    layers: list[torch.nn.Module] = []
    for n_in, n_out in zip(WIDTHS[:-1], WIDTHS[1:], strict=True):
        linear = torch.nn.Linear(n_in, n_out)
        torch.nn.init.xavier_uniform_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1], torch.nn.Sigmoid())


def network(model: torch.nn.Sequential, **records: Any) -> ds.Network:
    """Return the layers of the model as a network."""
    linears = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    layers: list[ds.Linear | ds.Activation] = []
    for linear in linears:
        weight, bias = (value.detach().numpy().copy() for value in (linear.weight, linear.bias))
        layers += [ds.Linear(weight, bias), ds.Activation("tanh")]
    return ds.Network([*layers[:-1], ds.Activation("logistic")], **records)


def optimize(
    model: torch.nn.Sequential, speakers: Sequence[corpus.Waveform], seed: int, steps: int
) -> None:
    """Maximize the mean signal-to-noise ratio in dB, by Adam with a rate that falls to zero."""
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    with ThreadPoolExecutor(1) as pool, tqdm(range(steps), disable=None) as progress:
        pending = pool.submit(batch, speakers, (seed, 0))
        for step in progress:
            inputs, noisy, clean = pending.result()
            pending = pool.submit(batch, speakers, (seed, step + 1))
            optimizer.param_groups[0]["lr"] = 2e-3 * (1 + math.cos(math.pi * step / steps)) / 2
            error = (model(inputs) * noisy - clean).abs().square().sum((1, 2))
            loss = (10 * torch.log10(error / clean.abs().square().sum((1, 2)))).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.set_postfix(snr=f"{-loss.item():.2f} dB", refresh=False)


def improvement(net: ds.Network, seed: int) -> float:
    """Mean gain of signal-to-noise ratio in dB, on sentences and voices not trained on."""
    rng = np.random.default_rng((seed, 1 << 20))
    speakers = list(corpus.utterances(corpus.HELD_OUT_SENTENCES, corpus.HELD_OUT_VOICES, rng))
    gains = []
    for k in range(VALIDATION):
        clean = speakers[k % len(speakers)]
        noise = corpus.training_noise(rng, clean.size, speakers)
        noisy = corpus.mix(clean, noise, snr=rng.uniform(-5, 15))
        gains.append(denoiser.snr(clean, denoiser.denoise(noisy, net)) - denoiser.snr(clean, noisy))
    return float(np.mean(gains))


def train(
    speakers: Sequence[corpus.Waveform], seed: int, steps: int, command: str = ""
) -> ds.Network:
    """Train, and record where the network comes from."""
    model = initial_model(seed)
    initial = network(model)
    optimize(model, speakers, seed, steps)
    trained = network(model)
    espeak = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True)
    gain = {"network": trained, "untrained": initial}
    provenance = {
        "command": command,
        "seed": seed,
        "steps": steps,
        "training_minutes_of_speech": round(sum(s.size for s in speakers) / 60 / 8000, 1),
        "validation_snr_improvement_db": {
            name: round(improvement(net, seed), 2) for name, net in gain.items()
        },
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "torch": str(torch.__version__),
            "espeak-ng": espeak.stdout.split("Data")[0].strip(),
        },
    }
    return network(model, initial=initial, provenance=provenance)


def main() -> None:
    """Synthesize, train, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", required=True, help="file of the network, .npz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=10_000)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    speakers = list(corpus.utterances(corpus.TRAINING_SENTENCES, corpus.TRAINING_VOICES, rng))
    given = f"-o {options.output} --seed {options.seed} --steps {options.steps}"
    command = f"python examples/denoiser/train.py {given}"
    trained = train(speakers, options.seed, options.steps, command)
    trained.save(options.output)
    print(trained.provenance["validation_snr_improvement_db"])


if __name__ == "__main__":
    main()
