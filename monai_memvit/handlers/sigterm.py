"""SIGTERM, by which schedulers end a job, as an exception: what is open can then be closed."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

__all__ = ["default_sigterm", "exit_on_sigterm"]


def exit_on_sigterm() -> None:
    """Let SIGTERM raise ``SystemExit``, as Ctrl-C raises ``KeyboardInterrupt``; another's handler of it stays."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def default_sigterm() -> None:
    """Undo :func:`exit_on_sigterm`."""
    if signal.getsignal(signal.SIGTERM) is _exit:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
