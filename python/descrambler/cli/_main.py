"""The command `descrambler`: its parser, and what all commands share while they run."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import __version__
from .._util.platform import console, processes
from ..errors import DescramblerError, printable
from . import _bench as bench
from . import _calibrate as calibrate
from . import _completion as completion
from . import _deer as deer
from . import _demo as demo
from . import _ensemble as ensemble
from . import _inspect as inspect
from . import _interpret as interpret
from . import _paper as paper
from . import _report as report
from . import _rotate as rotate
from . import _simulate as simulate
from . import _train as train
from ._parser import EXITS, Parser
from ._words import spoken


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    root = Parser(
        prog="descrambler",
        description="Say what the layers of a trained network respond to, and whether that is more than "
        "chance.",
        epilog=f"exit codes: {EXITS}. 'descrambler COMMAND --help' says what a command does, what it "
        "writes, how long it takes, and gives an example.",
    )
    root.add_argument("--version", action="version", version=f"descrambler {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = demo, paper, interpret, inspect, report, train, simulate, deer, calibrate, ensemble
    for module in (*modules, rotate, bench, completion):
        module.add_to(commands)
    return root


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does: with its files whole, its checkpoints written.

    Python drops an interrupt where no exception can be raised (in a finalizer, for example); it is then raised again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    report, later = sys.unraisablehook, processes.Later()

    def again(dropped: sys.UnraisableHookArgs) -> None:
        if dropped.exc_type is KeyboardInterrupt:
            later.interrupt(0.01)  # here it would be dropped again
        else:
            report(dropped)

    with processes.interrupted():
        sys.unraisablehook = again
        try:
            yield
        finally:
            later.cancel()
            sys.unraisablehook = report


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 2 for a user's error, 130 for Ctrl-C and SIGTERM."""
    given: dict[str, Any] = {}

    def action() -> None:
        options = parser().parse_args(arguments)
        given.update(vars(options))
        with _tidied(given.get("output")):
            options.action(options)

    return run_command(action, given)


@contextmanager
def _tidied(output: object) -> Iterator[None]:
    """Leave no empty folder behind where a command fails before it writes."""
    is_new = isinstance(output, Path) and not output.exists()
    try:
        yield
    except BaseException:
        if is_new and isinstance(output, Path) and output.is_dir() and not any(output.iterdir()):
            output.rmdir()
        raise


def run_command(action: Callable[[], None], options: Mapping[str, Any]) -> int:
    """Run what a command does; return its exit code.

    Error messages use the words of the command line; `options` are those given there.
    """
    for stream in (sys.stdout, sys.stderr):
        console.adapt(stream)
    try:
        with _signals():
            action()
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("descrambler: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError as error:
        print(f"descrambler: out of memory. {printable(str(error))}".rstrip(), file=sys.stderr)
        return 2
    except (DescramblerError, OSError, TypeError, ValueError) as error:
        message = spoken(" ".join(_text(error).split()), options)
        print(f"descrambler: {printable(message)}", file=sys.stderr)
        return 2
    return 0


def _text(error: Exception) -> str:
    """Return the message of an error, without the number that the system has for it."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror}: {error.filename}"
    return str(error)
