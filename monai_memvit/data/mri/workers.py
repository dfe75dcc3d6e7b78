"""One process for every task, so that what a task breaks, leaks or is killed by is its own affair."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

__all__ = ["run_each"]

Task = TypeVar("Task")
# A start looks after all processes that have ended, and an exit code can be read once: who comes second is told 255.
_BOOKS = threading.Lock()
_PRELOADED = [
    "torch",
    "monai.transforms",
    "SimpleITK",
    "nibabel",
    "matplotlib.backends.backend_agg",
    "monai_memvit.data.mri.slices.preprocess",
    "monai_memvit.data.mri.quality",
]


def run_each(function: Callable[[Task], str], tasks: Sequence[Task], workers: int) -> Iterator[tuple[int, str]]:
    """Call a function for every task, each call in a process of its own with one thread.

    The processes are forked from a server that has loaded the heavy packages once and holds no thread, so that a
    start costs little and no lock of SimpleITK or torch is inherited. They end when this process does.

    Args:
        function: picklable; an error in it becomes its result.
        tasks: picklable.
        workers: how many run at a time; 0 calls the function in this process, one task after the other.

    Yields:
        Position of a task and the cause of its failure, empty where there is none, in the order in which they end.
    """
    if workers == 0:
        with _one_thread():
            yield from ((i, _cause(function, task)) for i, task in enumerate(tasks))
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(_in_process, context, function, task): i for i, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _in_process(context: Any, function: Callable[[Task], str], task: Task) -> str:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(function, task, sender), daemon=True)
    with _BOOKS:
        process.start()
    sender.close()
    try:
        cause = str(receiver.recv())
    except EOFError:
        cause = ""
    wait([process.sentinel])
    with _BOOKS:
        process.join()
    receiver.close()
    return cause if process.exitcode == 0 else _ended_by(process.exitcode)


def _ended_by(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, most likely for want of memory: use fewer workers and prepare again"
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its process ended with {ended}: prepare again with one worker, and report it if it stays"


def _work(function: Callable[[Task], str], task: Task, sender: Connection) -> None:
    """In the new process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with _one_thread():
        sender.send(_cause(function, task))


def _cause(function: Callable[[Task], str], task: Task) -> str:
    try:
        return function(task)
    except ValueError as error:
        return str(error)
    except Exception as error:  # readers and filters raise all kinds, and one bad case must not end the job
        return f"{type(error).__name__}: {error}"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of several threads differ in their last digits, and the processes share the cores anyway."""
    import torch
    from monai.utils import optional_import

    sitk, _ = optional_import("SimpleITK", descriptor='this needs SimpleITK: pip install "monai_memvit[mri]"')
    threads, itk_threads = torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(itk_threads)
