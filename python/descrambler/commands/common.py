"""What several commands share: arguments, inputs, progress, saved figures."""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from tqdm import tqdm

from .._validate import Array
from ..files import write_bytes
from ..network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


def network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the network and its activations."""
    parser.add_argument("network", type=Path, metavar="NET", help=".npz or .mat file")
    parser.add_argument(
        "--activations",
        nargs="+",
        metavar="NAME",
        help="after each linear layer, for files that hold weights alone",
    )


def read_inputs(path: Path, network: Network) -> Array:
    """Read one sample in a row from an .npy file, or an .npz file with one array."""
    try:
        # Opened here: of a damaged archive, NumPy would leave the file open.
        with path.open("rb") as stream:
            x = _one_array(np.load(stream, allow_pickle=False))
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be an .npy or .npz file of numbers: {error}") from error
    if x.ndim != 2 or x.shape[1] != network.n_in:
        raise ValueError(f"{path} must hold an array of shape (m, {network.n_in}), found {x.shape}")
    return x


def _one_array(loaded: Array | np.lib.npyio.NpzFile) -> Array:
    if isinstance(loaded, np.ndarray):
        return loaded
    if len(loaded.files) != 1:
        raise ValueError(f"an archive must hold one array, found {len(loaded.files)}")
    array: Array = loaded[loaded.files[0]]
    return array


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar on a terminal; call what this yields with the name of each step done."""
    with tqdm(total=total, leave=False, disable=not sys.stderr.isatty()) as bar:

        def step(name: str) -> None:
            bar.set_description(name)
            bar.update()

        yield step


def save_figure(figure: Figure, stem: Path) -> None:
    """Write a figure as .png and .svg."""
    save_png(figure, stem.with_suffix(".png"))
    # Laid out once: the second format need not do it again.
    figure.set_layout_engine("none")
    # Fixed metadata and ids: the same figure gives the same file.
    _write(figure, stem.with_suffix(".svg"), metadata={"Date": None})


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as .png."""
    _write(figure, path)


def _write(figure: Figure, path: Path, **options: Any) -> None:
    stream = io.BytesIO()
    figure.savefig(stream, format=path.suffix[1:], dpi=200, **options)
    write_bytes(path, stream.getvalue())
