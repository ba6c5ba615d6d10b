"""What is wrong with wheels, by their lists of files: `contents.py WHEEL...` prints it and exits with 1.

A wheel has to be smaller than 8 MB; it has to hold the package, its networks, types and every licence; and nothing of the
tests, the benchmarks or the sources.
"""

import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

MEGABYTES = 8
NEEDED = (
    "descrambler/__init__.py",
    "descrambler/py.typed",
    "descrambler/_core/__init__.pyi",
    "descrambler/_core/_isa.*",
    "descrambler/_core/baseline.*",
    "descrambler/deer/weights/*.npz",
    "descrambler-*.dist-info/METADATA",
    "descrambler-*.dist-info/entry_points.txt",
    "descrambler-*.dist-info/licenses/LICENSE",
    "descrambler-*.dist-info/licenses/licenses/*",
)
ALLOWED = (
    "descrambler/*.py",
    "descrambler/*.pyi",
    "descrambler/py.typed",
    "descrambler/_core/*.so",
    "descrambler/_core/*.pyd",
    "descrambler/deer/weights/*.npz",
    "descrambler/deer/weights/*.json",
    "descrambler/deer/trace_page.*",
    "descrambler/report/*",
    "descrambler-*.dist-info/*",
    "descrambler.libs/*",
)


def faults(names: list[str], size: int) -> list[str]:
    """Return what is wrong with a wheel of these files and of this many bytes."""
    found = [
        f"nothing like {pattern}"
        for pattern in NEEDED
        if not any(fnmatch(name, pattern) for name in names)
    ]
    found += [
        f"{name} does not belong there"
        for name in names
        if not any(fnmatch(name, pattern) for pattern in ALLOWED)
    ]
    found += [f"{name} is of the tests" for name in names if "test" in Path(name).name.split("_")]
    if size >= MEGABYTES * 1_000_000:
        found.append(f"{size / 1e6:.2f} MB, {MEGABYTES} or more")
    return found


def main() -> int:
    """Print what is wrong with each wheel that the command line names."""
    if len(sys.argv) < 2:
        sys.exit("give at least one wheel")
    wrong = 0
    for wheel in map(Path, sys.argv[1:]):
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
        found = faults(names, wheel.stat().st_size)
        print(
            f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.2f} MB",
            *found,
            sep="\n  ",
        )
        wrong += bool(found)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
