"""Errors that the package raises on purpose, and its warnings: each kind under one root."""

__all__ = [
    "ChartError",
    "ConvergenceWarning",
    "DescramblerError",
    "DescramblerWarning",
    "GradientError",
    "MissingExtraError",
    "NoModulationError",
    "ReaderProcessError",
    "UnlimitedMemoryWarning",
    "WeightFileError",
]


def printable(text: str) -> str:
    """Return a text of unknown origin in one line, without what would command a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class DescramblerError(Exception):
    """Root of every error that this package raises on purpose."""


class WeightFileError(DescramblerError, ValueError):
    """A weight file that is unknown, damaged, unsafe, or not a chain of dense layers.

    Names in the message come from the file: what is not printable in them is escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ReaderProcessError(DescramblerError, RuntimeError):
    """A file that is not read because no process can be started to read it.

    The file is not to blame: there is no Python interpreter to start, or it cannot import the
    library in time. The message has the environment variable to set.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ChartError(DescramblerError, ValueError):
    """A rotation that lies outside the chart asked for (it has an eigenvalue -1)."""


class GradientError(DescramblerError, ValueError):
    """A user's gradient that disagrees with finite differences of the user's function."""


class NoModulationError(DescramblerError, ValueError):
    """A trace without dipolar modulation, to which no distance distribution belongs."""


class MissingExtraError(DescramblerError, ImportError):
    """An optional dependency that is not installed; the message names the extra."""


class DescramblerWarning(UserWarning):
    """Root of every warning that this package gives."""


class ConvergenceWarning(DescramblerWarning):
    """An iteration that ended before it reached what was asked; the result is the best it found."""


class UnlimitedMemoryWarning(DescramblerWarning):
    """A file that is read by a process whose memory cannot be limited on this system.

    Given once. The limit of time holds. With ``psutil`` installed, the limit of memory does, too.
    """
