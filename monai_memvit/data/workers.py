"""Tasks in processes of their own, so that what a task breaks, leaks or is killed by is its own affair."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, cast

__all__ = ["Done", "run_each"]

# A start looks after every process that has ended, and an exit code can be read once: who comes second is told 255.
_EXIT_CODES = threading.Lock()

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Done(Generic[Result]):
    """How a task ended.

    Args:
        position: of the task.
        result: what the function gave; None where it failed.
        cause: why it failed; empty where it did not.
    """

    position: int
    result: Result | None
    cause: str


def run_each(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    preload: Sequence[str] = ("torch",),
    tasks_per_process: int = 1,
) -> Generator[Done[Result], None, None]:
    """Call a function for every task, in processes of one thread each.

    The processes are forked from a server that has loaded the heavy packages once and holds no thread, so that a
    start costs little and no lock of SimpleITK or torch is inherited. They end when this process does. A process that
    dies fails the one task that it was at, which is first tried again if others went before it in that process.

    Args:
        function: picklable; an error in it becomes the cause.
        tasks: picklable.
        workers: how many run at a time; 0 calls the function in this process, one task after the other.
        preload: modules that the function needs. Only those of the first call in a process are loaded once; SimpleITK
            among them is held to one thread, too.
        tasks_per_process: how many tasks a process takes, one after the other, before a new one takes its place.

    Yields:
        How the tasks ended, in the order in which they do.
    """
    if workers == 0:
        with _one_thread(preload):
            yield from (Done(i, *_called(function, task)) for i, task in enumerate(tasks))
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    todo: SimpleQueue[tuple[int, Task]] = SimpleQueue()
    ended: SimpleQueue[Done[Result] | BaseException] = SimpleQueue()
    for numbered in enumerate(tasks):
        todo.put(numbered)
    crew = _Crew(context, function, tuple(preload), tasks_per_process, todo, ended)
    with ThreadPoolExecutor(workers) as pool:
        try:
            for _ in range(min(workers, len(tasks))):
                pool.submit(crew.work)
            for _ in tasks:
                yield _raised(ended.get())
        finally:
            crew.stop()


def _raised(found: Done[Result] | BaseException) -> Done[Result]:
    if isinstance(found, BaseException):
        raise found
    return found


@dataclass(frozen=True)
class _Crew(Generic[Task, Result]):
    """What the threads that each look after one process share."""

    context: Any
    function: Callable[[Task], Result]
    preload: tuple[str, ...]
    tasks_per_process: int
    todo: SimpleQueue[tuple[int, Task]]
    ended: SimpleQueue[Done[Result] | BaseException]

    def stop(self) -> None:
        while self._next() is not None:
            pass

    def work(self) -> None:
        try:
            item = self._next()
            while item is not None:
                item = self._with_process(item) or self._next()
        except BaseException as error:  # no process can be started: told where the results are awaited
            self.ended.put(error)

    def _next(self) -> tuple[int, Task] | None:
        try:
            return self.todo.get_nowait()
        except Empty:
            return None

    def _with_process(self, item: tuple[int, Task] | None) -> tuple[int, Task] | None:
        """Hand tasks, the given one first, to a new process until it has had its number or has died.

        Returns:
            A task to try again: the process may have died of what earlier tasks left in it.
        """
        process, connection = self._started()
        try:
            for before in range(self.tasks_per_process):
                item = self._next() if before else item
                if item is None:
                    return None
                answer = _asked(connection, item[1])
                if answer is None and before:
                    return item
                if answer is None:
                    wait([process.sentinel])
                    with _EXIT_CODES:
                        process.join()
                    self.ended.put(Done(item[0], None, _ended_by(process.exitcode)))
                    return None
                self.ended.put(Done(item[0], *answer))
            return None
        finally:
            connection.close()
            process.join()

    def _started(self) -> tuple[Any, Any]:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_work, args=(self.function, self.preload, theirs), daemon=True)
        with _EXIT_CODES:
            process.start()
        theirs.close()
        return process, ours


def _asked(connection: Connection, task: Any) -> tuple[Any, str] | None:
    """Result and cause; None where the process has died."""
    try:
        connection.send(task)
        return cast("tuple[Any, str]", connection.recv())
    except (EOFError, ConnectionError):
        return None


def _ended_by(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, most likely for want of memory: use fewer workers and prepare again"
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its process ended with {ended}: prepare again with one worker, and report it if it stays"


def _work(function: Callable[[Any], Any], preload: Sequence[str], connection: Connection) -> None:
    """In the new process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with _one_thread(preload), suppress(EOFError):
        while True:
            connection.send(_called(function, connection.recv()))


def _called(function: Callable[[Task], Result], task: Task) -> tuple[Result | None, str]:
    try:
        return function(task), ""
    except ValueError as error:
        return None, str(error) or repr(error)  # an empty cause would stand for success
    except Exception as error:  # readers and filters raise all kinds, and one bad task must not end the job
        return None, f"{type(error).__name__}: {error}"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread(preload: Sequence[str]) -> Iterator[None]:
    """Sums of several threads differ in their last digits, and the processes share the cores anyway."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _one_itk_thread() if "SimpleITK" in preload else nullcontext():
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _one_itk_thread() -> Iterator[None]:
    from monai.utils import optional_import

    sitk, _ = optional_import("SimpleITK", descriptor='this needs SimpleITK: pip install "monai_memvit[mri]"')
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
