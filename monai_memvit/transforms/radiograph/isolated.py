"""Decoding in a process of its own: GDCM ends its process on some damaged JPEG films instead of raising."""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import threading
from typing import Any

from numpy.typing import NDArray

__all__ = ["decode_apart"]


class _Helper:
    """The process, started at the first film that needs it and kept for the next ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, call: tuple[Any, ...]) -> Any:
        with self._lock:
            process = self._running()
            assert process.stdin is not None and process.stdout is not None
            try:
                pickle.dump(call, process.stdin, protocol=5)
                process.stdin.flush()
                return pickle.load(process.stdout)
            except (OSError, EOFError, pickle.UnpicklingError):
                self._stop()
                return "the decoder broke down"
            except BaseException:  # such as Ctrl-C: an answer on its way would be taken for the next film's
                self._stop()
                raise

    def close(self) -> None:
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """After a fork: the process belongs to the parent."""
        if self._process is not None:
            self._process.returncode = 0  # so that Popen does not wait for it
        self.__init__()  # type: ignore[misc]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.decoders"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


_helper = _Helper()
atexit.register(_helper.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helper.forget)


def decode_apart(data: bytes, syntax: str, plugin: str, options: dict[str, Any]) -> NDArray[Any]:
    """Do what :func:`~monai_memvit.transforms.radiograph.decoders.decode` does, in another process.

    Args:
        data: value of PixelData, in fragments.
        syntax: UID of the transfer syntax.
        plugin: pydicom's name of the decoder.
        options: what pydicom asks for besides: rows, columns, bits and so on.

    Returns:
        ``(rows, columns)``, integers.

    Raises:
        RuntimeError: with the decoder's text, or where it ended the process.
    """
    answer = _helper.ask((data, syntax, plugin, options))
    if isinstance(answer, str):
        raise RuntimeError(answer)
    return answer
