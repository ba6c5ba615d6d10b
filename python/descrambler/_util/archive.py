"""Arrays in untrusted .npz archives: each is read on demand, without pickle."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from . import limits

# The list of members takes about 100 bytes per array.
_MAX_DIRECTORY = 2**22
_END_BYTES = 22


class Archive(Mapping[str, NDArray[Any]]):
    """An open .npz archive, as a mapping from names to arrays.

    Parameters
    ----------
    stream : file
    max_bytes : int, optional
        How much it may unpack to. None: half of DESCRAMBLER_READ_MEGABYTES.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        If it is no archive, has too many members or two of the same name, or unpacks to more.
    """

    def __init__(self, stream: BinaryIO, max_bytes: int | None = None) -> None:
        found = members(stream)
        limits.check_bytes(sum(member.file_size for member in found), max_bytes)
        stream.seek(0)
        self._zip = zipfile.ZipFile(stream)
        self._members = {member.filename.removesuffix(".npy"): member for member in found}
        if len(self._members) < len(found):
            raise ValueError("two members have the same name")

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def size(self, key: str) -> int:
        """Return how many bytes a member unpacks to; 0 if there is none."""
        return self._members[key].file_size if key in self._members else 0

    def __getitem__(self, key: str) -> NDArray[Any]:
        member = self._members[key]
        with self._zip.open(member) as stream:
            if not member.filename.endswith(".npy"):
                raise ValueError(f"{key} is not a NumPy array")
            array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        if not is_text(array):
            raise ValueError(f"{key} holds text that is not Unicode")
        return array


def is_text(array: NDArray[Any]) -> bool:
    """Tell whether an array of text holds Unicode characters; True for other arrays.

    NumPy makes a string of any numbers, which Python then cannot handle.
    """
    if array.dtype.kind != "U" or array.size == 0 or array.dtype.itemsize == 0:
        return True
    order = array.dtype.byteorder
    codes = np.ascontiguousarray(array).reshape(-1).view(np.dtype("u4").newbyteorder(order))
    return not bool(((codes > 0x10FFFF) | (codes >> 11 == 0xD800 >> 11)).any())


def members(stream: BinaryIO) -> list[zipfile.ZipInfo]:
    """Return the members of a zip archive.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        If it is no archive, has too many members, or two of the same name.
    """
    if _directory_size(stream) > _MAX_DIRECTORY:
        raise limits.TooLarge(f"its list of members takes more than {_MAX_DIRECTORY} bytes")
    stream.seek(0)
    with zipfile.ZipFile(stream) as archive:
        found = archive.infolist()
    if len({member.filename for member in found}) < len(found):
        raise ValueError("two members have the same name")
    return found


def _directory_size(stream: BinaryIO) -> int:
    """Return how long an archive says that its list of members is; 0 if it is no archive.

    Told by the record at its end, which zipfile finds in the same way.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 2**16 - _END_BYTES))
    tail = stream.read()
    at = len(tail) - _END_BYTES
    if not (tail[at:].startswith(b"PK\x05\x06") and tail.endswith(b"\0\0")):
        at = tail.rfind(b"PK\x05\x06")  # before a comment
    if at < 0:
        return 0
    wide = tail[at - 76 : at - 20] if at >= 76 else b""
    if wide.startswith(b"PK\x06\x06"):  # an archive of more than 4 GB has a second record
        return int.from_bytes(wide[40:48], "little")
    return int.from_bytes(tail[at + 12 : at + 16], "little")
