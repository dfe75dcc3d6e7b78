"""The timing tools: order, pairing, facts of the machine."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.benchmarks.timing import interleave, machine_facts, paired_ratio, seconds

CPU = torch.device("cpu")


def test_arms_take_turns_and_every_other_round_is_reversed():
    calls = []
    arms = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = interleave(arms, rounds=3, device=CPU, warmup=2)
    assert "".join(calls) == "abcabc" + "abc" + "cba" + "abc"
    assert list(times) == ["a", "b", "c"]
    assert all(len(rounds) == 3 and min(rounds) >= 0 for rounds in times.values())


def test_without_rounds_there_is_an_error_and_nothing_runs():
    with pytest.raises(ValueError, match="at least 1 round"):
        interleave({"a": lambda: pytest.fail("was called")}, rounds=0, device=CPU)


def test_ratios_are_taken_pair_by_pair():
    # The medians' ratio would be 4 / 2; the median of the ratios 1, 4, 1.5 is 1.5.
    assert paired_ratio([1.0, 4.0, 15.0], [1.0, 1.0, 10.0]) == (1.5, 1.0, 4.0)


@pytest.mark.parametrize("times, baseline", [([1.0], [1.0, 2.0]), ([], [])])
def test_ratios_of_unequal_or_no_rounds_are_refused(times, baseline):
    with pytest.raises(ValueError, match="equally many rounds"):
        paired_ratio(times, baseline)


def test_seconds_runs_the_work_once():
    calls = []
    assert seconds(lambda: calls.append(1), CPU) >= 0
    assert calls == [1]


def test_machine_facts_name_processor_threads_and_torch():
    facts = machine_facts(CPU)
    assert facts["processor"] and int(facts["cores"]) >= 1
    assert facts["threads"] == str(torch.get_num_threads())
    assert facts["torch"] == torch.__version__
    assert "gpu" not in facts
