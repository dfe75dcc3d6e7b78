"""One process for every task: errors, deaths and the order of results."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from monai_memvit.data.mri.workers import run_each


def judge(task: str) -> str:
    """A task that goes as its name says."""
    if task == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "exit":
        os._exit(7)
    if task == "wrong":
        raise ValueError("line 3 is wrong")
    if task == "crash":
        raise RuntimeError("ITK says no")
    if task == "threads":
        return str(torch.get_num_threads())
    return ""


def test_errors_become_results_in_this_process() -> None:
    before = torch.get_num_threads()
    found = dict(run_each(judge, ["fine", "wrong", "crash", "threads"], workers=0))
    assert found == {0: "", 1: "line 3 is wrong", 2: "RuntimeError: ITK says no", 3: "1"}
    assert torch.get_num_threads() == before


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_process_dies_of_is_its_own_affair(workers: int) -> None:
    found = dict(run_each(judge, ["kill", "fine", "exit", "wrong", "threads", "fine"], workers))
    assert "killed, most likely for want of memory" in found.pop(0)
    assert "exit code 7" in found.pop(2)
    assert found == {1: "", 3: "line 3 is wrong", 4: "1", 5: ""}
