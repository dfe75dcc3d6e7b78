"""Silence of pydicom's and Pillow's warnings while one film is read: what matters is an error or a note of ours."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["quiet"]

_lock = threading.Lock()
_inside = 0
_restore = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """Let no warning out, nor any line of pydicom's log, until the block ends.

    The filters belong to the process. They are changed by the first thread that enters and put back by the last that
    leaves: two threads that each saved and restored them could leave them silent for ever.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _restore.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            log = logging.getLogger("pydicom")
            _restore.callback(setattr, log, "propagate", log.propagate)
            log.propagate = False


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if _inside == 0:
            _restore.close()
