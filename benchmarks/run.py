"""Run every benchmark with one thread and with two, and print one table for each.

python benchmarks/run.py              all of them, about six minutes
python benchmarks/run.py bench_exact  one of them
"""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "bench_exact",
    "bench_cayley",
    "bench_gram",
    "bench_deer",
    "bench_ensemble",
    "bench_reader",
)


def machine() -> str:
    model = [
        s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")
    ]
    processors = len(os.sched_getaffinity(0))
    return f"{model[0].split(':')[1].strip()}, {processors} processors, {platform.platform()}"


def run_here(name: str, threads: str) -> None:
    module = importlib.import_module(name)
    print(f"\n{module.TITLE}; BLAS threads: {threads}\n")
    print("| case | ours | theirs | ours / theirs | target |\n|---|---|---|---|---|", flush=True)
    for line in module.run():
        print(line, flush=True)


def main() -> None:
    names = sys.argv[1:] or BENCHMARKS
    threads = os.environ.get("DESCRAMBLER_BENCH_CHILD")
    if threads:
        run_here(names[0], threads)
        return
    import descrambler

    print(machine())
    descrambler.show_config()
    print("package", descrambler.__file__)
    for name in names:
        for count in ("1", "2"):
            limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), count)
            environment = os.environ | limits | {"DESCRAMBLER_BENCH_CHILD": count}
            subprocess.run([sys.executable, __file__, name], check=True, env=environment)


if __name__ == "__main__":
    main()
