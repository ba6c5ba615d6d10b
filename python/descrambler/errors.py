"""Errors that the package raises on purpose, under one root."""


class DescramblerError(Exception):
    """Root of every error that this package raises on purpose."""


class WeightFileError(DescramblerError, ValueError):
    """A weight file that is unknown, damaged, unsafe, or not a chain of dense layers."""


class ChartError(DescramblerError, ValueError):
    """A rotation that lies outside the chart asked for (it has an eigenvalue -1)."""


class NoModulationError(DescramblerError, ValueError):
    """A trace without dipolar modulation, to which no distance distribution belongs."""


class MissingExtraError(DescramblerError, ImportError):
    """An optional dependency that is not installed; the message names the extra."""
