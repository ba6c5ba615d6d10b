"""descrambler rotate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import interop
from ._common import force_argument, free_folder, json_argument, print_json
from ._parser import add_command

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "rotate",
        "rotate the residual stream of a checkpoint (extra: transformers)",
        does="Fold the norms of a transformer into its weights and rotate its residual stream, file by file. The "
        "outputs of the model do not change.",
        writes="a folder that from_pretrained loads like the old one",
        takes="for a billion parameters and d = 2048 a few minutes on one core",
        example="descrambler rotate checkpoint -o rotated --seed 0",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="checkpoint folder with config.json and safetensors files",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--rotation",
        type=Path,
        metavar="P.npy",
        help="orthogonal matrix, (d, d) or, for models with LayerNorm, (d - 1, d - 1) (default: a random one)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the random rotation (default: 0)"
    )
    force_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=rotate)


def _matrix(path: Path) -> Any:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError("rotation must be a .npy file, as numpy.save writes it") from error
    if not isinstance(matrix, np.ndarray):
        raise ValueError("rotation must be a .npy file with one matrix, got an archive of several")
    return matrix


def rotate(options: argparse.Namespace) -> None:
    """Rotate and write."""
    p: Any = None
    if options.rotation is not None:
        p = _matrix(options.rotation)
    if options.output.resolve() != options.folder.resolve():  # refused below, --force or not
        free_folder(options.output, options.force)
    found = interop.torch.rotate_checkpoint(
        options.folder, options.output, p, random_state=options.seed, overwrite=options.force
    )
    if options.json:
        print_json(
            "rotate",
            {
                "output": str(found.path),
                "group": found.group,
                "files": found.files,
                "rotated": found.rotated,
                "untied": found.untied,
                "sampled": found.sampled,
            },
        )
        return
    print(f"{found.path}: {found.rotated} weights rotated in {len(found.files)} file(s)")
    print(f"exact for {found.group}; untied: {', '.join(found.untied) or 'nothing'}")
    for name, difference in found.sampled.items():
        print(f"{name}: {difference:.1e} from the original after rotating it back")
