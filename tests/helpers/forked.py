"""Children of `_isolated.read` without the cost of their imports."""

from __future__ import annotations

import faulthandler
import os
import runpy
import subprocess
import sys
import warnings
from typing import Any

from descrambler._util.limits import MEGABYTES
from descrambler.readers import _process


class Forked:
    """Stands in for Popen: the child is a fork of this process, which has its modules already."""

    def __init__(self, command: list[str], **_: Any) -> None:
        (question, asks), (answers, answer) = os.pipe(), os.pipe()
        self.pid, self._code = os.fork(), None
        if self.pid == 0:
            try:
                os.setsid()
                faulthandler.disable()
                warnings.simplefilter("ignore")
                nothing = os.open(os.devnull, os.O_RDWR)
                for target, source in ((0, question), (1, answer), (2, nothing)):
                    os.dup2(source, target)
                for end in (question, asks, answers, answer):
                    os.close(end)
                sys.stdin = os.fdopen(0, "r")
                runpy.run_path(command[-1], run_name="__main__")
            finally:
                os._exit(1)
        os.close(question)
        os.close(answer)
        self.stdin, self.stdout = os.fdopen(asks, "wb", 0), os.fdopen(answers, "rb", 0)

    def wait(self) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code


def install(patch: Any, megabytes: int = 16_384) -> None:
    """Let `_process` fork its children, with a monkeypatch; what is imported here counts too."""
    patch.setattr(_process, "subprocess", _Subprocess())
    patch.setenv(MEGABYTES, str(megabytes))


class _Subprocess:
    """The module, but for Popen."""

    Popen = Forked

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)
