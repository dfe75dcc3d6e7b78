"""Open handles of slides: a few per process, each opened when it is needed."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

__all__ = ["HandleCache", "HANDLES"]


class HandleCache:
    """The handles used last; a forked process begins with none, for it must not share positions in files.

    Nothing is closed by force: a handle that is dropped is closed once its last user lets it go.

    Args:
        capacity: handles to keep.
    """

    def __init__(self, capacity: int = 8) -> None:
        self.capacity = capacity
        self._handles: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()
        self._parents: list[Any] = []  # of the parent process: kept, since closing them here could disturb it

    def get(self, key: Hashable, open_handle: Callable[[], Any]) -> Any:
        """Return the handle of a key, opened where it is not there.

        Args:
            key: of the slide.
            open_handle: opens it.
        """
        with self._lock:
            if key not in self._handles:
                self._handles[key] = open_handle()
            self._handles.move_to_end(key)
            while len(self._handles) > self.capacity:
                self._handles.popitem(last=False)
            return self._handles[key]

    def drop(self, key: Hashable) -> None:
        """Forget the handle of a key, so that the next use opens a new one.

        Args:
            key: of the slide.
        """
        with self._lock:
            self._handles.pop(key, None)

    def clear(self) -> None:
        """Forget all handles."""
        with self._lock:
            self._handles.clear()

    def start_anew(self) -> None:
        """Begin with no handle, in a process that was just forked."""
        self._parents.append(self._handles)
        self._handles, self._lock = OrderedDict(), Lock()


HANDLES = HandleCache()
os.register_at_fork(after_in_child=HANDLES.start_anew)
