"""Shared by several commands: arguments, inputs, progress, saved figures."""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tqdm import tqdm

from .._core import __version__
from .._util.files import write_bytes
from .._util.progress import Step
from ..report._once import lay_out
from ._inputs import KINDS
from ._paths import input_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


DPI = 200
# A third of the time of the default level, for files a tenth larger.
_QUICK = {"pil_kwargs": {"compress_level": 3}}
NETWORKS = ".npz, .mat, .onnx, .keras, .h5, .safetensors or .pt file"


def network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the network and its activations."""
    parser.add_argument("network", type=input_file, metavar="NET", help=NETWORKS)
    activations_argument(parser)


def activations_argument(parser: argparse.ArgumentParser) -> None:
    """Add the activations: names, or a mapping if they have the names of layers."""
    parser.add_argument(
        "--activations",
        nargs="+",
        action=_Activations,
        metavar="NAME",
        help="activation after each linear layer, for files that hold weights alone, as in --activations "
        "tanh logistic; LAYER=NAME for state dicts",
    )
    parser.add_argument(
        "--prefix",
        metavar="NAME",
        help="read one part of a state dict: the tensors whose names begin with NAME and a dot",
    )


class _Activations(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        named = all("=" in value for value in values)
        pairs = dict(value.split("=", 1) for value in values) if named else values
        setattr(namespace, self.dest, pairs)


def inputs_argument(parser: Any, *, required: bool = False) -> None:
    """Add the inputs, for `read_inputs`."""
    parser.add_argument("--inputs", type=input_file, required=required, metavar="X", help=KINDS)


def output_argument(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    """Add the folder for the results, for `new_folder`."""
    note = "" if default is None else f" (default: {default})"
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=default,
        required=default is None,
        help=f"folder for the results{note}",
    )
    force_argument(parser)


def force_argument(parser: argparse.ArgumentParser) -> None:
    """Add the permission to overwrite."""
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def json_argument(parser: argparse.ArgumentParser) -> None:
    """Add the choice of what is printed, for `print_json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def free_folder(path: Path, force: bool) -> Path:
    """Return where a folder may be made; FileExistsError if something is there and is not to be overwritten."""
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file: -o takes a folder")
    if not force and path.is_dir() and any(path.iterdir()):
        raise FileExistsError(f"{path} is not empty: give another folder, or --force to overwrite")
    return path


def new_folder(path: Path, force: bool) -> Path:
    """Make a folder; FileExistsError if there is something in it and that is not to be overwritten."""
    free_folder(path, force).mkdir(parents=True, exist_ok=True)
    return path


def new_file(path: Path, force: bool) -> Path:
    """Return where a file may be written; OSError, before any work, if it may not."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is not a folder: {path} cannot be written")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file to write")
    if path.exists() and not force:
        raise FileExistsError(
            f"{path} is there already: give another name, or --force to overwrite"
        )
    return path


def print_json(command: str, value: Mapping[str, Any]) -> None:
    """Print what a command found on one line; numbers that JSON does not have become null.

    Its schema changes its number when a key goes away or changes its meaning, not when one is added.
    """
    head = {"schema": f"descrambler.{command}.v1", "version": __version__}
    print(json.dumps(_finite(head | dict(value)), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar on a terminal; call what this yields with the name of each step done."""
    with tqdm(total=total, leave=False, disable=not sys.stderr.isatty()) as bar:

        def step(name: str) -> None:
            bar.set_description(name)
            bar.update()

        yield step


def each(step: Callable[[str], None]) -> Callable[[Step], None]:
    """Return the bar's step as a function for ``progress=``, which is called once per step."""
    return lambda done: step(done.label)


def save_figure(figure: Figure, stem: Path) -> None:
    """Write a figure as .png and .svg."""
    with _laid_out(figure):
        _write(figure, stem.with_suffix(".png"), **_QUICK)
        # Fixed metadata and ids: the same figure gives the same file.
        _write(figure, stem.with_suffix(".svg"), metadata={"Date": None})


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as .png."""
    with _laid_out(figure):
        _write(figure, path, **_QUICK)


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Lay a figure out, without what a matplotlibrc may ask for."""
    import matplotlib
    from matplotlib.text import Text

    # A matplotlibrc may ask for LaTeX, which need not be installed, and no label here needs. Looking for
    # texts makes every tick anew, which takes as long as drawing them.
    if matplotlib.rcParams["text.usetex"]:
        for text in figure.findobj(Text):
            text.set_usetex(False)
    fixed: Any = {"text.usetex": False, "svg.hashsalt": "descrambler"}
    no_layout = {"figure.autolayout": False, "figure.constrained_layout.use": False}
    with matplotlib.rc_context(fixed | no_layout):
        lay_out(figure, DPI)
        yield


def _write(figure: Figure, path: Path, **options: Any) -> None:
    stream = io.BytesIO()
    figure.savefig(stream, format=path.suffix[1:], dpi=DPI, **options)
    write_bytes(path, stream.getvalue())
