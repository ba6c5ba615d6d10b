"""Interrupt, starve and kill commands at random moments: what they leave is absent or whole.

python tests/faults.py [--moments 200] [--seed 0] [--jobs run ...] [--faults ctrl-c ...]

Each moment is one command, one fault, and a look at every file. Commands that can go on are then run again: to the
answer of a command that nothing happened to. What fails is printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "helpers"))

import jobs  # noqa: E402
import whole  # noqa: E402

# Seconds from the signal to the end, by processor time or by the clock, whichever is less; and by the clock alone.
STOP, CLOCK = 1.0, 10.0
HANG = 120.0
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
SIGNALS = {"ctrl-c": signal.SIGINT, "sigterm": signal.SIGTERM, "kill": signal.SIGKILL}
FAULTS = (*SIGNALS, "worker", "full disk", "memory", "callback")
ENDED = {0, 130, -signal.SIGTERM, -signal.SIGINT}


@dataclass(frozen=True)
class Reference:
    """A command that nothing happened to."""

    folder: Path
    seconds: float
    bytes: int
    steps: int
    megabytes: int

    @classmethod
    def of(cls, job: str, place: Path) -> Reference:
        folder = place / "reference" / job
        folder.mkdir(parents=True)
        process = start(job, folder, place, FAULT_MEASURE="1")
        begun = time.perf_counter()
        out, err = process.communicate(timeout=HANG)
        seconds = time.perf_counter() - begun
        wrong = "" if process.returncode else whole.damaged(folder)
        if process.returncode != 0 or wrong:
            raise SystemExit(f"{job}, without a fault: {process.returncode} {err} {wrong}")
        sizes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        steps, megabytes = map(int, out.split()[-2:])
        return cls(folder, seconds, sizes, steps, megabytes)


def start(job: str, out: Path, place: Path, *, file_limit: int = 0, **environment: str):
    """Start a command; returns once its imports are done."""

    def limit() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell in the background has it ignored
        if file_limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    process = subprocess.Popen(
        [sys.executable, str(Path(jobs.__file__)), job, str(out), str(place)],
        env=os.environ | THREADS | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def ended(process) -> str:
    """Wait for the end, of a process that hangs too; returns what it said of errors."""
    try:
        return process.communicate(timeout=HANG)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[int]:
    """Give the folder a disk of its own, or, without the right to mount, yield a limit on each file."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield 0 if mounted else size
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents.setdefault(int(parent), []).append(int(path.parent.name))
    found = list(parents.get(pid, []))
    for child in found:
        found += parents.get(child, [])
    return found


def spent(pid: int) -> float:
    """Processor time of a process and of those it has reaped, in seconds."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    except OSError:
        return 0.0
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def spent_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Moment:
    """One command and what is done to it."""

    def __init__(
        self, job: str, fault: str, place: Path, known: Reference, stop: float, seed: list[int]
    ):
        self.job, self.fault, self.place, self.known = job, fault, place, known
        self.stop, self.rng = stop, np.random.default_rng(seed)
        self.out = place / "out"
        self.seconds = 0.0

    def happen(self) -> str:
        """Return how it ended, in a few words; "FAILED: ..." if badly."""
        shutil.rmtree(self.out, ignore_errors=True)
        try:
            code, error = self._full_disk() if self.fault == "full disk" else self._other()
            wrong = self._wrong(code, error)
        except subprocess.TimeoutExpired:
            wrong, code = f"took more than {HANG} s", 0
        if wrong:
            return f"FAILED: exit code {code}, {wrong}"
        return "done before" if code == 0 else "stopped"

    def _full_disk(self) -> tuple[int, str]:
        disk = self.place / "disk"
        size = int(self.rng.uniform(4096, self.known.bytes))
        with small_disk(disk, size) as limit:
            process = start(self.job, disk, self.place, file_limit=limit)
            error = ended(process)
            shutil.copytree(disk, self.out)
        shutil.rmtree(disk, ignore_errors=True)
        return process.returncode, error

    def _other(self) -> tuple[int, str]:
        self.out.mkdir()
        extra = {}
        if self.fault == "memory":
            extra["FAULT_MEGABYTES"] = str(self.rng.integers(1, max(self.known.megabytes, 2)))
        if self.fault == "callback":
            extra["FAULT_STEP"] = str(self.rng.integers(1, self.known.steps + 1))
        reaped = spent_by_children()
        process = start(self.job, self.out, self.place, **extra)
        if self.fault in ("memory", "callback"):
            error = ended(process)
            return process.returncode, error
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.rng.uniform(0, self.known.seconds))
        if process.returncode is not None:
            return process.returncode, ended(process)
        children = descendants(process.pid)
        if self.fault == "worker":
            victims = children or [process.pid]
            # It may have ended by itself meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.kill(victims[self.rng.integers(len(victims))], signal.SIGKILL)
        else:
            process.send_signal(SIGNALS[self.fault])
        begun, before = time.perf_counter(), sum(map(spent, (process.pid, *children)))
        error = ended(process)
        while any(map(alive, children)) and time.perf_counter() - begun < HANG:
            time.sleep(0.01)
        clock = time.perf_counter() - begun
        # Processor time counts several processes, the clock what else runs: the lesser is ours.
        self.seconds = min(max(spent_by_children() - reaped - before, 0), clock)
        late = self.fault in SIGNALS and (self.seconds > self.stop or clock > CLOCK * self.stop)
        return process.returncode, f"LATE {clock:.1f} s {error}" if late else error

    def _wrong(self, code: int, error: str) -> str:
        # A script that calls the library has no handler of SIGTERM.
        killed = self.fault in ("kill", "worker") or code == -signal.SIGTERM
        if error.startswith("LATE"):
            return f"stopped after {self.seconds:.1f} s: {error}"
        if self.fault in ("ctrl-c", "sigterm") and code not in ENDED:
            return f"no way to end: {error}"
        if code < 0 and self.fault in ("full disk", "callback"):
            return f"died: {error}"
        if found := whole.damaged(self.out, killed=killed):
            return found
        if self.job in jobs.RESUMED:
            process = start(self.job, self.out, self.place)
            error = ended(process)
            if process.returncode != 0 and "is there already" not in error:
                return f"does not go on: {error}"
            return whole.different(self.out, self.known.folder)
        return whole.different(self.out, self.known.folder, some=True)


def plan(moments: int, chosen_jobs: list[str], faults: list[str]) -> list[tuple[str, str]]:
    """Return pairs of job and fault, each as often as any other."""
    pairs = [
        (job, fault)
        for fault in faults
        for job in chosen_jobs
        if (fault != "worker" or job in jobs.PARENTS)
        and (fault != "callback" or job in jobs.CALLING)
    ]
    return [pairs[k % len(pairs)] for k in range(moments)]


def main() -> int:
    """Let everything happen; print a row for each fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stop", type=float, default=STOP, help="seconds to the end, at most")
    parser.add_argument("--jobs", nargs="+", choices=jobs.JOBS, default=list(jobs.JOBS))
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    options = parser.parse_args()
    outcomes: dict[str, Counter[str]] = {fault: Counter() for fault in options.faults}
    slowest = dict.fromkeys(options.faults, 0.0)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        jobs.prepare(place)
        known = {job: Reference.of(job, place) for job in options.jobs}
        pairs = plan(options.moments, options.jobs, options.faults)
        for k, (job, fault) in enumerate(pairs):
            moment = Moment(job, fault, place, known[job], options.stop, [options.seed, k])
            ended = moment.happen()
            outcomes[fault][ended.partition(":")[0]] += 1
            if fault in SIGNALS:
                slowest[fault] = max(slowest[fault], moment.seconds)
            if ended.startswith("FAILED"):
                print(f"{job}, {fault}, moment {k} of seed {options.seed}: {ended}", flush=True)
    for fault, counts in outcomes.items():
        shown = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        end = f"; at most {slowest[fault]:.2f} s to the end" if fault in SIGNALS else ""
        print(f"{fault:10} {counts.total()} moments: {shown}{end}")
    failed = sum(counts["FAILED"] for counts in outcomes.values())
    print(f"{len(pairs)} moments, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
