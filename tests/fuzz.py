"""Feed damaged files of every format to the readers: each loads or raises WeightFileError.

python tests/fuzz.py [--mutants 2000] [--seed 0] [--formats npz onnx ...]

Children are given 8 s. What is neither, or takes more than 10 s, is kept in build/fuzz, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
warnings.simplefilter("ignore")  # of the libraries, about damaged files

import forked  # noqa: E402
import mutants  # noqa: E402
import samples  # noqa: E402

import descrambler as ds  # noqa: E402
from descrambler._util import limits  # noqa: E402

KEPT = Path(__file__).parent.parent / "build" / "fuzz"
SUFFIXES = {"mat73": "mat", "h5": "h5"}
LIMIT, SLOW = 8, 10  # seconds


class Environment:
    """What a monkeypatch does, outside of pytest."""

    def setattr(self, target: object, name: str, value: object) -> None:
        setattr(target, name, value)

    def setenv(self, name: str, value: str) -> None:
        mock.patch.dict("os.environ", {name: value}).start()


def outcome(path: Path, activations: object) -> str:
    """Load a file and use it: how that ends, in a few words; "FAILED: ..." if badly."""
    start = time.perf_counter()
    try:
        network = ds.load(path, activations)
        with np.errstate(all="ignore"):
            network(np.ones((2, network.n_in), np.float32))
        ended = "read"
    except ds.WeightFileError as error:
        ended = kind(str(error))
    except ValueError as error:
        # A file that has become one that names its own activations, say.
        ended = "refused" if "names its own" in str(error) else failed()
    except Exception:
        ended = failed()
    seconds = time.perf_counter() - start
    return f"FAILED: took {seconds:.1f} s" if seconds > SLOW else ended


def failed() -> str:
    return "FAILED: " + traceback.format_exc()


def kind(message: str) -> str:
    if found := re.search(r"exit code -?\d+", message):
        return f"child: {found[0]}"
    if "takes more than" in message or "holds more than" in message:
        return "memory limit"
    return "time limit" if "not read within" in message else "refused"


def fuzz(chosen: list[samples.Sample], n: int, seed: int, folder: Path) -> Counter[str]:
    """Try n mutants of the samples of one format; keep and print those that fail."""
    outcomes: Counter[str] = Counter()
    name = chosen[0].kind
    path = folder / f"sample.{SUFFIXES.get(name, name)}"
    for k in range(n):
        sample = chosen[k % len(chosen)]
        rng = np.random.default_rng([seed, k, *name.encode()])
        path.write_bytes(mutants.BY_FORMAT[name](sample.content, rng))
        ended = outcome(path, sample.activations)
        outcomes[ended.partition(":")[0] if ended.startswith("FAILED") else ended] += 1
        if ended.startswith("FAILED"):
            KEPT.mkdir(parents=True, exist_ok=True)
            (KEPT / f"{seed}_{k}_{path.name}").write_bytes(path.read_bytes())
            print(f"{name}, mutant {k} of seed {seed}: {ended}", flush=True)
    return outcomes


def main() -> int:
    """Fuzz every format and print one row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=2000, help="of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", choices=mutants.BY_FORMAT, metavar="FORMAT")
    options = parser.parse_args()
    environment = Environment()
    forked.install(environment, megabytes=6144)
    environment.setenv(limits.SECONDS, str(LIMIT))
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = list(samples.samples(folder))
        for sample in whole:
            path = folder / f"sample.{SUFFIXES.get(sample.kind, sample.kind)}"
            path.write_bytes(sample.content)
            if (ended := outcome(path, sample.activations)) != "read":
                raise SystemExit(f"a sample of {sample.kind} that is whole: {ended}")
        for kind_ in options.formats or mutants.BY_FORMAT:
            start = time.perf_counter()
            chosen = [sample for sample in whole if sample.kind == kind_]
            outcomes = fuzz(chosen, options.mutants, options.seed, folder)
            seconds = time.perf_counter() - start
            shown = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
            print(f"{kind_:12} {options.mutants} mutants, {seconds:.0f} s: {shown}", flush=True)
            total += outcomes
        executed = any(Path(place, "descrambler_fuzz_executed").exists() for place in (".", name))
    print(f"{total.total()} mutants, {total['FAILED']} failed, code executed: {executed}")
    return int(total["FAILED"] > 0 or executed)


if __name__ == "__main__":
    sys.exit(main())
