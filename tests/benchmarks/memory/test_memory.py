"""The memory benchmark at sizes of a toy: what it compares and what it reports."""

from __future__ import annotations

import argparse
import json

import pytest
import torch

from monai_memvit.benchmarks import register
from monai_memvit.benchmarks.memory.memory_arms import Arm, filled_bank, make_arms, make_batch
from monai_memvit.memory import memory_off

CPU = torch.device("cpu")


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    return parser.parse_args(arguments)


@pytest.fixture
def bank():
    return filled_bank(num_heads=3, head_dim=32, facts=250, device=CPU)


@pytest.fixture
def batch(bank):
    return make_batch(bank, batch_size=4, image_size=24, source_size=27)


def test_arms_have_equal_weights_and_equal_outputs_without_memory(bank, batch):
    plain, remembering = make_arms("micro", 24, CPU)
    weights = {name.replace("attention.local", "attention"): w for name, w in remembering.network.named_parameters()}
    gate = weights.pop("blocks.3.attention.gate_bias")
    assert gate.shape == (3,)
    assert weights.keys() == dict(plain.network.named_parameters()).keys()
    assert all(torch.equal(w, weights[name]) for name, w in plain.network.named_parameters())
    expected = plain.infer(batch)
    assert not torch.equal(remembering.infer(batch, bank), expected)
    with memory_off(remembering.network):
        assert torch.equal(remembering.infer(batch, bank), expected)


def test_a_training_step_reads_the_memory_and_changes_the_weights(bank, batch):
    plain, remembering = make_arms("micro", 24, CPU)
    before = remembering.network.head.weight.clone(), plain.network.head.weight.clone()
    stored = bank.keys.clone()
    remembering.train_step(batch, bank)
    plain.train_step(batch)
    assert remembering.layer.gate_bias.grad.abs().min() > 0
    assert not torch.equal(remembering.network.head.weight, before[0])
    assert not torch.equal(plain.network.head.weight, before[1])
    assert remembering.layer.latest is None, "the facts of the batch were not staged"
    assert torch.equal(bank.keys, stored), "staging alone must not write"


def test_writing_after_a_step_stores_its_facts(bank, batch):
    _, remembering = make_arms("micro", 24, CPU)
    stored = bank.keys.clone()
    remembering.train_step(batch, bank)
    remembering.write_epoch()
    changed = (bank.keys != stored).flatten(1).any(1)
    assert set(bank.ids[changed].tolist()) == set(batch.ids.tolist())


def test_a_staged_epoch_holds_every_case_once(bank):
    arm = Arm(make_arms("micro", 24, CPU)[1].network)
    keys, ids = bank.keys.clone(), bank.ids.clone()
    bank.last_epoch.zero_()
    arm.stage_epoch(bank, batch_size=64)
    arm.write_epoch()
    assert torch.equal(bank.ids, ids)
    assert torch.allclose(bank.keys, keys)
    assert (bank.last_epoch == 1).all()


def test_a_bank_has_groups_of_a_hundred_and_opaque_ids(bank):
    assert sorted(bank.groups.unique(return_counts=True)[1].tolist()) == [50, 100, 100]
    assert (bank.ids >= 0).all() and len(bank.ids.unique()) == 250


def test_a_batch_holds_cases_of_the_bank_cropped(bank, batch):
    assert batch.images.shape == (4, 3, 24, 24)
    rows, known = bank.rows_of(batch.ids)
    assert known.all()
    assert torch.equal(bank.groups[rows], batch.groups)


def test_run_prints_tables_and_writes_json(tmp_path, capsys):
    file = tmp_path / "memory.json"
    arguments = ["memory", "--setting", "micro", "--facts", "60", "40", "--batch", "2", "--prototypes", "9"]
    args = parse(*arguments, "--repeats", "1", "--json", str(file))
    assert args.run(args) == 0
    printed = capsys.readouterr().out
    for row in (
        "micro, training step, 40 facts",
        "micro, training step, 60 facts",
        "micro, inference, 60 facts",
        "micro, inference, 9 prototypes",
        "9 prototypes of 60 facts",
        torch.__version__,
    ):
        assert row in printed
    results = json.loads(file.read_text())
    measured = results["settings"]["micro"]
    works = [(row["work"], row["memory"]) for row in measured["comparisons"]]
    assert works == [
        *(("inference", memory) for memory in ("40 facts", "60 facts", "9 prototypes")),
        *(("training step", memory) for memory in ("40 facts", "60 facts")),
    ]
    for row in measured["comparisons"]:
        assert row["with_seconds"] > 0 and row["without_seconds"] > 0
        assert row["ratio"][1] <= row["ratio"][0] <= row["ratio"][2]
        training = row["work"] == "training step"
        assert ("exclusion" in row["parts"]) == (row["write_seconds"] is not None) == training
    # float32 keys and values of 3 heads of 32; and 28 bytes a case (three int64, one int32) and 8 a bank.
    assert results["clock"] == "wall clock"
    assert measured["banks"] == [{"facts": n, "fact_bytes": n * 768, "bank_bytes": n * 796 + 8} for n in (40, 60)]


@pytest.mark.parametrize(
    "option, value", [("--batch", "0"), ("--facts", "-1"), ("--repeats", "0"), ("--prototypes", "0")]
)
def test_numbers_that_are_not_positive_are_refused(option, value):
    args = parse("memory", option, value)
    with pytest.raises(ValueError, match=f"{option} must be at least 1, got {value}"):
        args.run(args)


def test_an_absent_gpu_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    args = parse("memory", "--device", "cuda:0")
    with pytest.raises(ValueError, match="no usable GPU"):
        args.run(args)
