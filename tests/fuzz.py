"""Feed damaged files of every format to the readers: each loads or raises what is documented.

python tests/fuzz.py [--mutants 2000] [--seed 0] [--formats npz onnx ...]

A tenth as many files are whole, but of another dtype, order, key or unit: each gives the true numbers, or is refused.

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

import archives  # noqa: E402
import forked  # noqa: E402
import meanings  # noqa: E402
import mutants  # noqa: E402
import samples  # noqa: E402

import descrambler as ds  # noqa: E402
from descrambler._util import limits  # noqa: E402

KEPT = Path(__file__).parent.parent / "build" / "fuzz"
SUFFIXES = {"mat73": "mat"} | dict.fromkeys(archives.USES, "npz") | {"csv": "csv", "trace": "dat"}
LIMIT, SLOW = 8, 10  # seconds


class Environment:
    """What a monkeypatch does, outside of pytest."""

    def setattr(self, target: object, name: str, value: object) -> None:
        setattr(target, name, value)

    def setenv(self, name: str, value: str) -> None:
        mock.patch.dict("os.environ", {name: value}).start()


def outcome(path: Path, sample: samples.Sample) -> str:
    """Read a file and use it: how that ends, in a few words; "FAILED: ..." if badly."""
    start = time.perf_counter()
    try:
        if sample.kind in archives.USES:
            archives.USES[sample.kind](path)
        else:
            network = ds.load(path, sample.activations)
            with np.errstate(all="ignore"):
                network(np.ones((2, network.n_in), np.float32))
        ended = "read"
    except ds.WeightFileError as error:
        ended = kind(str(error))
    except ValueError as error:
        # A file that has become one that names its own activations, say.
        documented = sample.kind in archives.USES or "names its own" in str(error)
        ended = "refused" if documented else failed()
    except Exception:
        ended = failed()
    seconds = time.perf_counter() - start
    return f"FAILED: took {seconds:.1f} s" if seconds > SLOW else ended


def judged(meaning: meanings.Meaning) -> str:
    """Read a whole file: "right", "refused", or "FAILED: ..." if its numbers are others."""
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(meaning.call())
    except ValueError:
        return "refused"
    except Exception:
        return failed()
    if found.shape == meaning.wanted.shape:
        scale = np.abs(meaning.wanted).max() or 1.0
        if np.abs(found - meaning.wanted).max() <= meaning.tolerance * scale:
            return "right"
    elif meaning.noted():
        return "noted"
    return "FAILED: SILENT DIFFERENCE"


def failed() -> str:
    return "FAILED: " + traceback.format_exc()


def kind(message: str) -> str:
    if found := re.search(r"exit code -?\d+", message):
        return f"child: {found[0]}"
    if "takes more than" in message or "holds more than" in message:
        return "memory limit"
    return "time limit" if "not read within" in message else "refused"


def fuzz(chosen: list[samples.Sample], n: int, seed: int, folder: Path) -> Counter[str]:
    """Try n mutants of the samples of one format, and files of other meaning; keep what fails."""
    outcomes: Counter[str] = Counter()
    name = chosen[0].kind
    path = folder / f"sample.{SUFFIXES.get(name, name)}"
    for k in range(n):
        sample = chosen[k % len(chosen)]
        rng = np.random.default_rng([seed, k, *name.encode()])
        path.write_bytes(mutants.BY_FORMAT[name](sample.content, rng))
        count(outcomes, outcome(path, sample), path, f"{name}, mutant {k} of seed {seed}")
    for k in range(n // 10):
        rng = np.random.default_rng([seed, k, *name.encode(), 1])
        path.unlink(missing_ok=True)
        meaning = meanings.BY_FORMAT[name](path, rng)
        shown = f"{name}, meaning {k} of seed {seed}"
        count(outcomes, judged(meaning), path, shown)
    return outcomes


def count(outcomes: Counter[str], ended: str, path: Path, shown: str) -> None:
    """Count how a file ended; keep and print one that failed."""
    outcomes[ended.partition(":")[0] if ended.startswith("FAILED") else ended] += 1
    if ended.startswith("FAILED"):
        KEPT.mkdir(parents=True, exist_ok=True)
        kept = "_".join(re.findall("[a-z0-9]+", shown))
        (KEPT / f"{kept}{path.suffix}").write_bytes(path.read_bytes())
        print(f"{shown}: {ended}", flush=True)


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
        whole = [*samples.samples(folder), *archives.samples(folder)]
        for sample in whole:
            path = folder / f"sample.{SUFFIXES.get(sample.kind, sample.kind)}"
            path.write_bytes(sample.content)
            if (ended := outcome(path, sample)) != "read":
                raise SystemExit(f"a sample of {sample.kind} that is whole: {ended}")
        for kind_ in options.formats or mutants.BY_FORMAT:
            start = time.perf_counter()
            chosen = [sample for sample in whole if sample.kind == kind_]
            outcomes = fuzz(chosen, options.mutants, options.seed, folder)
            seconds = time.perf_counter() - start
            shown = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
            print(f"{kind_:12} {outcomes.total()} files, {seconds:.0f} s: {shown}", flush=True)
            total += outcomes
        executed = any(Path(place, "descrambler_fuzz_executed").exists() for place in (".", name))
    print(f"{total.total()} files, {total['FAILED']} failed, code executed: {executed}")
    return int(total["FAILED"] > 0 or executed)


if __name__ == "__main__":
    sys.exit(main())
