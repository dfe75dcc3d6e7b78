"""Tasks in processes of their own: errors, deaths, the order of results, and what a process may keep."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from monai_memvit.data.workers import Done, run_each

_HELD: list[str] = []


def judge(task: str) -> str:
    """A task that goes as its name says."""
    if task == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "exit":
        os._exit(7)
    if task == "wrong":
        raise ValueError("line 3 is wrong")
    if task == "wordless":
        raise ValueError
    if task == "crash":
        raise RuntimeError("ITK says no")
    if task == "threads":
        return str(torch.get_num_threads())
    return task


def count(task: str) -> int:
    """How many tasks this process has had."""
    _HELD.append(task)
    return len(_HELD)


def kill_the_second(task: Path) -> str:
    """A task that dies where another went before it."""
    _HELD.append(task.name)
    with open(task, "a") as file:
        file.write("tried\n")
    if len(_HELD) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task.name


def by_position(done: Iterator[Done[str]]) -> dict[int, tuple[str | None, str]]:
    """Result and cause of every task."""
    return {one.position: (one.result, one.cause) for one in done}


@pytest.mark.parametrize("preload", [["torch"], ["torch", "SimpleITK"]])
def test_errors_become_causes_in_this_process(preload: Sequence[str]) -> None:
    if "SimpleITK" in preload:
        pytest.importorskip("SimpleITK")
    before = torch.get_num_threads()
    found = by_position(run_each(judge, ["fine", "wrong", "crash", "threads"], 0, preload))
    expected = {0: ("fine", ""), 1: (None, "line 3 is wrong"), 2: (None, "RuntimeError: ITK says no"), 3: ("1", "")}
    assert found == expected and torch.get_num_threads() == before


def test_an_error_without_words_is_no_success() -> None:
    assert by_position(run_each(judge, ["wordless"], 0)) == {0: (None, "ValueError()")}


def test_itk_is_held_to_one_thread_and_let_go() -> None:
    sitk = pytest.importorskip("SimpleITK")
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(3)
    (done,) = run_each(lambda task: threads(), [0], 0, ["SimpleITK"])
    assert done.result == 1 and threads() == 3


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("number", [1, 4])
def test_what_a_process_dies_of_is_its_own_affair(workers: int, number: int) -> None:
    tasks = ["fine", "kill", "fine", "exit", "wrong", "threads", "fine"]
    found = by_position(run_each(judge, tasks, workers, tasks_per_process=number))
    assert "killed, most likely for want of memory" in found.pop(1)[1]
    assert "exit code 7" in found.pop(3)[1]
    assert found == {0: ("fine", ""), 2: ("fine", ""), 4: (None, "line 3 is wrong"), 5: ("1", ""), 6: ("fine", "")}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "expected"), [(1, [1] * 5), (2, [1, 2, 1, 2, 1]), (9, [1, 2, 3, 4, 5])])
def test_a_process_takes_so_many_tasks(number: int, expected: list[int]) -> None:
    done = list(run_each(count, ["task"] * 5, workers=1, tasks_per_process=number))
    assert [one.result for one in sorted(done, key=lambda one: one.position)] == expected


@pytest.mark.slow
def test_a_task_that_may_have_died_of_others_is_tried_alone(tmp_path: Path) -> None:
    tasks = [tmp_path / name for name in "abc"]
    found = by_position(run_each(kill_the_second, tasks, workers=1, tasks_per_process=8))
    assert found == {0: ("a", ""), 1: ("b", ""), 2: ("c", "")}
    assert [task.read_text().count("tried") for task in tasks] == [1, 2, 2]


@pytest.mark.slow
def test_who_stops_listening_stops_the_work() -> None:
    results = run_each(count, ["task"] * 200, workers=1, tasks_per_process=1000)
    next(results)
    results.close()  # ends at once: the test would else take as long as 200 tasks
    again = list(run_each(count, ["task"] * 3, workers=2))
    assert sorted(one.position for one in again) == [0, 1, 2]


@pytest.mark.slow
def test_what_cannot_be_sent_is_raised() -> None:
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        list(run_each(judge, [lambda: 0], workers=1))
    with pytest.raises(Exception, match="pickle|local"):
        list(run_each(lambda task: task, ["fine"], workers=1))
