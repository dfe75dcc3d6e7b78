"""Writing the memory: when, by what weight, and equally on all ranks."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from monai_memvit import MemoryAttention, MemoryUpdateHandler, ResumeCheckpoint, SoftmaxAttention
from monai_memvit.data import Case
from monai_memvit.memory import CaseSnapshot, MemoryBank, memory_layers

ROOT = Path(__file__).parents[2]


@pytest.fixture
def layer():
    return MemoryAttention(SoftmaxAttention(6, 2))


def _engine(layer: MemoryAttention, **options) -> Engine:
    """Its batches are the snapshots that the layer leaves."""
    engine = Engine(lambda engine, snapshot: setattr(layer, "latest", snapshot))
    MemoryUpdateHandler(layer, **options).attach(engine)
    return engine


def _snapshot(*ids: int, seed: int = 0) -> CaseSnapshot:
    torch.manual_seed(seed)
    as_tensor = torch.tensor(ids)
    return CaseSnapshot(as_tensor, as_tensor // 10, *(torch.randn(len(ids), 2, 3) for _ in range(3)))


def _bank(layer: MemoryAttention) -> list[torch.Tensor]:
    return [t.clone() for t in layer.bank.facts]


@pytest.mark.parametrize("timing", ["epoch", "step"])
def test_an_epoch_of_distinct_cases_is_stored(layer, timing):
    first, second = _snapshot(30, 10), _snapshot(20, seed=1)
    _engine(layer, timing=timing).run([first, second], max_epochs=1)
    assert layer.bank.ids.tolist() == [10, 20, 30] and layer.bank.groups.tolist() == [1, 2, 3]
    assert torch.equal(layer.bank.keys, torch.stack([first.keys[1], second.keys[0], first.keys[0]]))
    assert torch.equal(layer.bank.values, torch.stack([first.values[1], second.values[0], first.values[0]]))


def test_equation_one_is_applied_once_per_epoch(layer):
    visits = [_snapshot(7, seed=s) for s in range(4)]
    _engine(layer).run(visits[:2], max_epochs=1)
    _engine(layer, moving_average=lambda epoch: 0.25).run(visits[2:], max_epochs=1)
    old, new = ((one.keys + other.keys) / 2 for one, other in (visits[:2], visits[2:]))
    torch.testing.assert_close(layer.bank.keys, 0.25 * new + 0.75 * old)


def test_the_weight_follows_the_epoch_from_zero(layer):
    epochs = []
    _engine(layer, moving_average=lambda epoch: epochs.append(epoch) or 1.0).run([_snapshot(7)], max_epochs=3)
    assert epochs == [0, 1, 2]


def test_the_default_weight_is_equation_two_over_the_trainers_epochs(layer):
    _engine(layer).run([_snapshot(7)], max_epochs=30)
    assert repr(layer.bank.moving_average) == repr(type(layer.bank.moving_average)(max_epochs=30))


def test_with_step_timing_the_last_visit_of_an_epoch_counts_once(layer):
    alphas = [0.9, 0.25, 0.5, 0.7]
    epochs = [[_snapshot(*ids, seed=10 * e + i) for i, ids in enumerate([(7, 8), (7,), (9, 7)])] for e in range(4)]
    engine = _engine(layer, timing="step", moving_average=lambda epoch: alphas[epoch])
    engine._process_function = lambda engine, i: setattr(layer, "latest", epochs[engine.state.epoch - 1][i])
    expected: dict[int, list[torch.Tensor]] = {}

    def check(engine: Engine) -> None:
        alpha = alphas[engine.state.epoch - 1]
        last = {int(i): (k, v) for s in epochs[engine.state.epoch - 1] for i, k, v in zip(s.ids, s.keys, s.values)}
        for case, facts in last.items():
            old = expected.get(case, facts)
            expected[case] = [alpha * new + (1 - alpha) * before for new, before in zip(facts, old)]
        assert layer.bank.ids.tolist() == sorted(expected) == [7, 8, 9]
        for stored, position in ((layer.bank.keys, 0), (layer.bank.values, 1)):
            torch.testing.assert_close(stored, torch.stack([expected[case][position] for case in (7, 8, 9)]))

    engine.add_event_handler(Events.EPOCH_COMPLETED, check)
    engine.run(range(3), max_epochs=4)


def test_step_timing_starts_anew_after_an_epoch_that_was_broken_off(layer):
    first, broken, last = (_snapshot(7, seed=s) for s in range(3))
    handler = MemoryUpdateHandler(layer, timing="step", moving_average=lambda epoch: 0.5)
    for snapshots in ([first], [broken, None], [last]):
        engine = Engine(lambda engine, snapshot: setattr(layer, "latest", snapshot))
        handler.attach(engine)
        if None in snapshots:
            with pytest.raises(ValueError, match="no sample ids"):
                engine.run(snapshots, max_epochs=1)
        else:
            engine.run(snapshots, max_epochs=1)
    torch.testing.assert_close(layer.bank.keys, 0.25 * first.keys + 0.25 * broken.keys + 0.5 * last.keys)


def test_overwriting_keeps_the_newest(layer):
    engine = _engine(layer, update="overwrite", moving_average=lambda epoch: 0.0)
    engine.run([_snapshot(7)], max_epochs=1)
    newest = _snapshot(7, seed=4)
    engine.run([newest], max_epochs=2)
    assert torch.equal(layer.bank.keys, newest.keys)


@pytest.mark.parametrize("timing", ["epoch", "step"])
def test_overwriting_a_full_memory_lets_the_least_recently_updated_go(timing):
    layer = MemoryAttention(SoftmaxAttention(6, 2), bank=MemoryBank(2, 3, capacity=3))
    epochs = [_snapshot(1, 2, 3), _snapshot(2, 3, seed=1), _snapshot(3, 4, seed=2)]
    engine = _engine(layer, update="overwrite", timing=timing)
    engine._process_function = lambda engine, _: setattr(layer, "latest", epochs[engine.state.epoch - 1])
    engine.run([None], max_epochs=3)
    assert layer.bank.ids.tolist() == [2, 3, 4] and layer.bank.last_epoch.tolist() == [1, 2, 2]
    assert torch.equal(layer.bank.keys, torch.stack([epochs[1].keys[0], *epochs[2].keys]))


def test_an_epoch_does_not_depend_on_its_batches(layer):
    snapshots = [_snapshot(i, seed=i) for i in range(6)]
    _engine(layer).run(snapshots, max_epochs=1)
    expected = _bank(layer)
    layer.bank = MemoryBank(2, 3)
    batched = [CaseSnapshot(*map(torch.cat, zip(*snapshots[part]))) for part in (slice(4, 6), slice(0, 4))]
    _engine(layer).run(batched, max_epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(expected, _bank(layer)))


def test_nothing_is_written_before_the_backward_pass(layer):
    engine, sizes = _engine(layer, timing="step"), []
    engine._process_function = lambda engine, batch: (setattr(layer, "latest", batch), sizes.append(len(layer.bank)))
    engine.run([_snapshot(1), _snapshot(2)], max_epochs=1)
    assert sizes == [0, 1]


@pytest.mark.filterwarnings("ignore:a memory that training never reads")
@pytest.mark.parametrize(
    ("option", "reads"),
    [("after_first_epoch", [False, True, True]), ("always", [False, True, True]), ("never", [False] * 3)],
)
def test_when_training_reads(make_network, make_trainer, option, reads):
    network, seen = make_network(), []
    trainer = make_trainer(network, MemoryUpdateHandler(network, read_during_training=option), epochs=3)
    (layer,) = memory_layers(network)
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda: seen.append(layer.train().reads))
    trainer.run()
    assert seen == reads
    assert layer.reading_in_training == (option != "never") and layer.eval().reads


def test_a_memory_that_is_never_read_in_training_keeps_the_constant_of_its_gate(make_network, make_trainer):
    network = make_network()
    (layer,) = memory_layers(network)
    layer.gate_bias.data = torch.tensor([-1.0, 0.0, 1.0])
    with pytest.warns(UserWarning, match=r"evaluation will read with \[\[0\.268.*, 0\.5, 0\.731"):
        handler = MemoryUpdateHandler(network, read_during_training="never")
    make_trainer(network, handler).run()
    assert layer.gate_bias.tolist() == [-1, 0, 1] and layer.eval().reads


def test_a_frozen_gate_is_meant_to_be_constant(layer):
    layer.gate_bias.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MemoryUpdateHandler(layer, read_during_training="never")


def test_always_reads_in_the_first_epoch_what_its_steps_have_written(make_network, make_trainer):
    network = make_network()
    handler = MemoryUpdateHandler(network, read_during_training="always", timing="step")
    trainer, seen, gate = make_trainer(network, handler, epochs=1), [], network.blocks[-1].attention.gate_bias
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: seen.append(gate.grad))
    trainer.run()
    assert seen[0] is None and (seen[-1] != 0).any()


def test_a_trained_bank_holds_the_facts_of_the_forward_pass(make_network, make_trainer, items):
    network = make_network()
    make_trainer(network, MemoryUpdateHandler(network), lr=0.0, epochs=1).run()
    (layer,) = memory_layers(network)
    images, ids = torch.stack([i["image"] for i in items]), torch.tensor([i["sample_id"] for i in items])
    network.eval()(images, ids)
    assert torch.equal(layer.bank.ids, ids) and layer.bank.groups.tolist() == [i["group_id"] for i in items]
    torch.testing.assert_close(layer.bank.keys, layer.latest.keys)
    torch.testing.assert_close(layer.bank.values, layer.latest.values)


def test_an_evaluator_refreshes_the_bank(make_network, make_trainer, make_evaluator):
    network = make_network()
    make_trainer(network, MemoryUpdateHandler(network), epochs=2).run()
    (layer,) = memory_layers(network)
    stale = layer.bank.keys.clone()
    for _ in range(2):
        make_evaluator(network, MemoryUpdateHandler(network, update="overwrite")).run()
        fresh = layer.bank.keys.clone()
    fresh_network = make_network()
    fresh_network.load_state_dict(network.state_dict())
    layer = memory_layers(fresh_network)[0]
    layer.bank = MemoryBank(3, 8)
    make_evaluator(fresh_network, MemoryUpdateHandler(fresh_network, update="overwrite")).run()
    assert torch.equal(layer.bank.keys, fresh) and not torch.equal(stale, fresh)


def test_refreshing_lets_no_new_case_in(make_network, make_evaluator, items):
    network = make_network()
    (layer,) = memory_layers(network)
    images, ids, groups = (
        torch.stack([torch.as_tensor(i[k]) for i in items]) for k in ("image", "sample_id", "group_id")
    )
    stored = torch.tensor([1, 4, 7])
    layer.bank.update(ids[stored], *torch.zeros(2, 3, 3, 8), groups[stored])
    make_evaluator(network, MemoryUpdateHandler(network, update="refresh")).run()
    assert torch.equal(layer.bank.ids, ids[stored])
    network(images, ids)
    torch.testing.assert_close(layer.bank.keys, layer.latest.keys[stored])
    torch.testing.assert_close(layer.bank.values, layer.latest.values[stored])


@pytest.mark.filterwarnings("ignore:10 of 12 stored cases")
def test_refreshing_two_layers_shows_no_case_its_own_facts(make_network, make_evaluator, items):
    network = make_network((0, 1))
    first, second = memory_layers(network)
    ids, groups = (torch.tensor([item[key] for item in items]) for key in ("sample_id", "group_id"))
    for layer in (first, second):
        layer.bank.update(ids, *torch.randn(2, 12, 3, 8), groups)
    del items[2:]  # both cases of one group
    found = []
    for poison in (1.0, 9.0):
        with torch.no_grad():
            first.bank.keys[:2] = first.bank.values[:2] = poison
        make_evaluator(network, MemoryUpdateHandler(network, update="refresh")).run()
        found.append(second.bank.keys[:2].clone())
    assert torch.equal(*found)
    assert not (first.writing or second.writing) and not first.eval().excludes


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_a_step_that_is_broken_off_leaves_no_fact_hidden(layer, ending):
    seen = []

    def break_off(engine: Engine, batch: None) -> None:
        seen.append(layer.eval().excludes)
        raise ending

    engine = Engine(break_off)
    MemoryUpdateHandler(layer, update="refresh").attach(engine)
    with pytest.raises(ending):
        engine.run([None], max_epochs=1)
    assert seen == [True] and not layer.writing and not layer.excludes


def test_own_facts_are_hidden_within_the_step_only(layer):
    engine, seen = _engine(layer), []
    for event in (Events.ITERATION_STARTED, Events.ITERATION_COMPLETED):
        engine.add_event_handler(event, lambda: seen.append(layer.writing))
    engine.run([_snapshot(1)], max_epochs=1)
    assert seen == [False, False]


@pytest.mark.parametrize("timing", ["epoch", "step"])
def test_refreshing_a_part_of_the_memory_warns_of_the_rest(layer, timing):
    _engine(layer).run([_snapshot(1, 2, 3, 4, 5)], max_epochs=1)
    visits = [_snapshot(1, 9, seed=1), _snapshot(4, seed=2)]
    with pytest.warns(UserWarning, match="3 of 5 stored cases were not visited"):
        _engine(layer, update="refresh", timing=timing).run(visits, max_epochs=1)


@pytest.mark.parametrize("timing", ["epoch", "step"])
def test_refreshing_the_whole_memory_is_silent(layer, timing):
    _engine(layer).run([_snapshot(1, 2, 3)], max_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _engine(layer, update="refresh", timing=timing).run([_snapshot(3, 9), _snapshot(1, 2)], max_epochs=2)


def test_id_maps(layer, tmp_path):
    _engine(layer, id_map=5).run([_snapshot(1)], max_epochs=1)
    assert layer.bank.id_map == 5
    _engine(layer).run([_snapshot(1)], max_epochs=1)
    assert layer.bank.id_map == 5
    with pytest.raises(ValueError, match="0000000000000005.*0000000000000006"):
        _engine(layer, id_map=6).run([_snapshot(1)], max_epochs=1)


def test_a_foreign_id_map_is_refused_on_resuming_too(layer, tmp_path):
    path = str(tmp_path / "resume.pt")
    engine = _engine(layer, id_map=5)
    ResumeCheckpoint({"network": layer}, path).attach(engine)
    engine.run([_snapshot(1)], max_epochs=1)
    fresh = MemoryAttention(SoftmaxAttention(6, 2))
    engine = _engine(fresh, id_map=6)
    ResumeCheckpoint({"network": fresh}, path, resume=True).attach(engine)
    with pytest.raises(ValueError, match="belongs to the table of ids 0000000000000005"):
        engine.run([_snapshot(1)], max_epochs=2)


def test_no_ids_is_an_error(layer):
    with pytest.raises(ValueError, match="no sample ids reached the memory"):
        _engine(layer).run([None], max_epochs=1)


@pytest.mark.parametrize("option", ["update", "timing", "read_during_training"])
def test_unknown_options(layer, option):
    with pytest.raises(ValueError, match=f"{option} must be one of .*'never ever'"):
        MemoryUpdateHandler(layer, **{option: "never ever"})


@pytest.mark.slow
def test_two_ranks_hold_the_bank_of_one_process(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = str(Path(__file__).with_name("two_rank_training.py"))
    subprocess.run([sys.executable, script, str(tmp_path)], check=True, timeout=500, cwd=ROOT, env=environment)
    for samples in (12, 11):
        runpy.run_path(script)["train"](f"{tmp_path}/{samples}_alone.pt", samples)
        first, second, alone = (
            torch.load(tmp_path / f"{samples}_{name}.pt", weights_only=True) for name in ("rank0", "rank1", "alone")
        )
        assert first.keys() == second.keys() == alone.keys()
        for name in first:
            assert torch.equal(first[name], second[name]), name
            if samples == 12 or name.endswith((".ids", ".groups", ".last_epoch")):  # 11 are padded by a repeat
                torch.testing.assert_close(first[name], alone[name], atol=1e-5, rtol=1e-4)


# classes


def _known(labels: dict[int, int]) -> dict[int, Case]:
    return {i: Case(f"case {i}", f"patient {i // 10}", label, Path(), "training") for i, label in labels.items()}


@pytest.mark.parametrize("timing", ["epoch", "step"])
def test_facts_say_the_class_of_their_case(layer: MemoryAttention, timing: str) -> None:
    cases = _known({10: 1, 20: 0, 99: 2})
    _engine(layer, timing=timing, cases=cases).run([_snapshot(30, 10), _snapshot(20, seed=1)], max_epochs=2)
    assert layer.bank.ids.tolist() == [10, 20, 30] and layer.bank.labels.tolist() == [1, 0, -1]


def test_a_single_finding_is_a_class_and_several_are_none(layer: MemoryAttention) -> None:
    cases = _known({10: -1, 20: -1, 30: -1})
    for number, labels in {10: (1.0,), 20: (-1.0,), 30: (1.0, 0.0)}.items():
        cases[number] = cases[number]._replace(labels=labels)
    _engine(layer, cases=cases).run([_snapshot(30, 10), _snapshot(20)], max_epochs=1)
    assert layer.bank.labels.tolist() == [1, -1, -1]


def test_without_cases_facts_say_nothing(layer: MemoryAttention) -> None:
    _engine(layer).run([_snapshot(30, 10)], max_epochs=1)
    assert layer.bank.labels.tolist() == [-1, -1]


def test_refreshing_tells_facts_of_before_their_class(layer: MemoryAttention) -> None:
    _engine(layer).run([_snapshot(30, 10)], max_epochs=1)
    _engine(layer, update="refresh", cases=_known({10: 1, 20: 0})).run([_snapshot(10, 20)], max_epochs=1)
    assert layer.bank.ids.tolist() == [10, 30] and layer.bank.labels.tolist() == [1, -1]


def test_nothing_but_class_and_opaque_id_reaches_the_weights(layer: MemoryAttention) -> None:
    _engine(layer, cases=_known({10: 1})).run([_snapshot(10)], max_epochs=1)
    assert all(isinstance(value, torch.Tensor) for value in layer.state_dict().values())
