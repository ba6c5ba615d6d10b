"""Children of `_isolated.read` without the cost of their imports."""

from __future__ import annotations

import faulthandler
import os
import runpy
import signal
import subprocess
import sys
import time
import warnings
from typing import Any

from descrambler.readers import _isolated


class Forked:
    """Stands in for Popen: the child is a fork of this process, which has its modules already."""

    def __init__(self, command: list[str], **_: Any) -> None:
        mine, its = os.pipe()
        self._pid, self._code = os.fork(), None
        if self._pid == 0:
            try:
                faulthandler.disable()
                warnings.simplefilter("ignore")
                nothing = os.open(os.devnull, os.O_RDWR)
                for target, source in ((0, nothing), (1, its), (2, nothing)):
                    os.dup2(source, target)
                os.close(mine)
                sys.argv = command[-2:]
                runpy.run_path(command[-2], run_name="__main__")
            finally:
                os._exit(1)
        os.close(its)
        self.stdout = os.fdopen(mine, "rb", 0)

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (1e9 if timeout is None else timeout)
        while self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("child", timeout)
            else:
                time.sleep(0.0005)
        return self._code

    def kill(self) -> None:
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.wait()


def install(patch: Any, megabytes: int = 16_384) -> None:
    """Let `_isolated` fork its children, with a monkeypatch; what is imported here counts too."""
    patch.setattr(_isolated, "subprocess", _Subprocess())
    patch.setenv(_isolated.MEGABYTES, str(megabytes))


class _Subprocess:
    """The module, but for Popen."""

    Popen = Forked

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)
