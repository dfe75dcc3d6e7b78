"""The timing tools: order, pairing, facts of the machine."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.benchmarks.tools.timing import Stopwatch, interleave, machine_facts, paired_ratio

CPU = torch.device("cpu")


def test_arms_take_turns_and_every_other_round_is_reversed():
    calls = []
    arms = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = interleave(arms, rounds=3, stopwatch=Stopwatch(CPU), warmup=2)
    assert "".join(calls) == "abcabc" + "abc" + "cba" + "abc"
    assert list(times) == ["a", "b", "c"]
    assert all(len(rounds) == 3 and min(rounds) >= 0 for rounds in times.values())


def test_without_rounds_there_is_an_error_and_nothing_runs():
    with pytest.raises(ValueError, match="at least 1 round"):
        interleave({"a": lambda: pytest.fail("was called")}, rounds=0, stopwatch=Stopwatch(CPU))


def test_ratios_are_taken_pair_by_pair():
    # The medians' ratio would be 4 / 2; the median of the ratios 1, 4, 1.5 is 1.5.
    assert paired_ratio([1.0, 4.0, 15.0], [1.0, 1.0, 10.0]) == (1.5, 1.0, 4.0)


@pytest.mark.parametrize("times, baseline", [([1.0], [1.0, 2.0]), ([], [])])
def test_ratios_of_unequal_or_no_rounds_are_refused(times, baseline):
    with pytest.raises(ValueError, match="equally many rounds"):
        paired_ratio(times, baseline)


@pytest.mark.parametrize("processor_time", [False, True])
def test_a_stopwatch_runs_the_work_once(processor_time):
    calls = []
    assert Stopwatch(CPU, processor_time)(lambda: calls.append(1)) >= 0
    assert calls == [1]


def test_processor_time_leaves_out_waiting(monkeypatch):
    clocks = {"perf_counter": iter((0.0, 5.0)), "process_time": iter((0.0, 2.0))}
    for name, ticks in clocks.items():
        monkeypatch.setattr(f"monai_memvit.benchmarks.tools.timing.time.{name}", lambda ticks=ticks: next(ticks))
    assert Stopwatch(CPU)(lambda: None) == 5
    assert Stopwatch(CPU, processor_time=True)(lambda: None) == 2


def test_processor_time_of_a_gpu_is_refused():
    with pytest.raises(ValueError, match="does not see work on cuda"):
        Stopwatch(torch.device("cuda"), processor_time=True)


def test_machine_facts_name_processor_threads_and_torch():
    facts = machine_facts(CPU)
    assert facts["processor"] and int(facts["cores"]) >= 1
    assert facts["threads"] == str(torch.get_num_threads())
    assert facts["torch"] == torch.__version__
    assert "gpu" not in facts
