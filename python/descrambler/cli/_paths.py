"""Files named on the command line; the error for a missing one is a single line."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def input_file(text: str) -> Path:
    """Return the path of a file that is to be read, as a type of argparse.

    Raises
    ------
    OSError
        If it is a URL, is not there, or is a folder.
    """
    _refuse_url(text)
    path = Path(text)
    if path.is_dir() and not (path / "saved_model.pb").exists():  # the reader says more on these
        raise IsADirectoryError(f"{path} is a folder: give a file in it")
    if not path.exists() and not path.is_symlink():
        raise FileNotFoundError(f"No such file: {path}{_meant(path)}")
    return path


def input_folder(text: str) -> Path:
    """Return the path of a folder that is to be read, as a type of argparse.

    Raises
    ------
    OSError
        If it is a URL, is not there, or is a file.
    """
    _refuse_url(text)
    path = Path(text)
    if not path.exists():
        raise FileNotFoundError(f"No such folder: {path}{_meant(path)}")
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is a file: give the folder")
    return path


def _refuse_url(text: str) -> None:
    if _URL.match(text):
        raise FileNotFoundError(f"{text} is a URL: download the file and give its path")


def _meant(path: Path) -> str:
    """Suggest a neighbor of like name."""
    if not path.parent.is_dir():
        return f" (nor is there a folder {path.parent})"
    names = [other.name for other in path.parent.iterdir()]
    close = get_close_matches(path.name, names, 1, 0.75)
    return f"; did you mean {path.parent / close[0]}?" if close else ""
