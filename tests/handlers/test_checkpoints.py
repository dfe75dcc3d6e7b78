"""Checkpoints: bit for bit after resuming, whole after a kill."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import DataLoader
from monai.engines import PrepareBatchExtraInput, SupervisedTrainer
from monai.handlers import LrScheduleHandler
from monai.transforms import Compose, EnsureTyped, RandFlipd, RandGaussianNoised

from monai_memvit import (
    BestModelSaver,
    EpochSampler,
    MemoryUpdateHandler,
    MoViT,
    RandomState,
    ResumeCheckpoint,
    SeededCacheDataset,
)
from monai_memvit.handlers.checkpoints import load_safely, save_atomically

ROOT = Path(__file__).parents[2]


def _trainer(items, path, resume: bool, seed: int) -> tuple[SupervisedTrainer, dict]:
    """AdamW, cosine schedule, dropout, augmentation, memory: everything that a state could be forgotten of."""
    torch.manual_seed(seed)
    random.seed(seed)
    sizes = {"in_channels": 1, "img_size": 8, "num_classes": 2, "hidden_size": 24, "num_layers": 2}
    network = MoViT.from_preset("micro", **sizes, dropout_rate=0.2, drop_path_rate=0.2)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
    augmentation = Compose([EnsureTyped("image"), RandFlipd("image", 0.5), RandGaussianNoised("image", 0.5)])
    dataset = SeededCacheDataset(items, augmentation, seed=1, progress=False)
    sampler = EpochSampler(dataset, seed=1)
    objects = {"network": network, "optimizer": optimizer, "schedule": schedule, "random": RandomState()}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=6,
        train_data_loader=DataLoader(dataset, batch_size=5, sampler=sampler, num_workers=0),
        network=network,
        optimizer=optimizer,
        loss_function=torch.nn.CrossEntropyLoss(),
        prepare_batch=PrepareBatchExtraInput({"sample_ids": "sample_id", "group_ids": "group_id"}),
        train_handlers=[
            MemoryUpdateHandler(network, id_map=3),
            LrScheduleHandler(schedule, print_lr=False),
            ResumeCheckpoint(objects, str(path), resume=resume),
        ],
        decollate=False,
    )
    return trainer, objects


@pytest.mark.parametrize("interrupted_after", [1, 3])
def test_resuming_continues_bit_for_bit(items, tmp_path, interrupted_after):
    whole, expected = _trainer(items, tmp_path / "whole.pt", resume=False, seed=0)
    whole.run()

    first, _ = _trainer(items, tmp_path / "resume.pt", resume=True, seed=0)
    first.add_event_handler(Events.EPOCH_COMPLETED(once=interrupted_after), first.terminate)
    first.run()
    second, found = _trainer(items, tmp_path / "resume.pt", resume=True, seed=99)
    second.run()

    assert (second.state.epoch, second.state.iteration) == (whole.state.epoch, whole.state.iteration) == (6, 18)
    assert second.state.output["loss"] == whole.state.output["loss"]
    one, other = (load_safely(tmp_path / name) for name in ("whole.pt", "resume.pt"))
    assert _equal(one, other)
    assert _equal(expected["network"].state_dict(), found["network"].state_dict())
    assert len(found["network"].blocks[-1].attention.bank) == 12


def _equal(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other


@pytest.mark.slow
def test_a_kill_while_saving_leaves_a_file_that_loads(tmp_path):
    path, script = tmp_path / "resume.pt", Path(__file__).with_name("save_in_a_loop.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    numbers = []
    for saves in (1, 3, 8):
        child = subprocess.Popen([sys.executable, script, path], stdout=subprocess.PIPE, text=True, env=environment)
        with child:
            for _ in range(saves):
                printed = int(child.stdout.readline())
            child.kill()  # at whatever point of the next save it has reached
        state = load_safely(path)
        assert state["number"] >= printed
        assert torch.equal(state["weights"], torch.full((200_000,), float(state["number"])))
        numbers.append(printed)
    assert numbers == [0, 2, 7]


def test_an_error_while_saving_leaves_the_old_file_alone(tmp_path):
    save_atomically({"epoch": 1}, tmp_path / "x.pt")
    with pytest.raises(Exception, match="pickle"):
        save_atomically({"epoch": 2, "cannot": lambda: 0}, tmp_path / "x.pt")
    assert load_safely(tmp_path / "x.pt") == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "resume.pt"
    save_atomically({"weights": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:700] if content is None else content)
    with pytest.raises(ValueError, match=r"resume\.pt is not a readable checkpoint: it is damaged.*restore") as caught:
        load_safely(path)
    assert len(str(caught.value)) < 150 + len(str(path)) and "\x1b" not in str(caught.value)


def test_a_file_with_code_is_refused(tmp_path):
    torch.save({"network": Path("x")}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"x\.pt is not a readable checkpoint: it holds more than tensors") as caught:
        load_safely(tmp_path / "x.pt")
    assert len(str(caught.value)) < 150 + len(str(tmp_path))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.pt"):
        load_safely(tmp_path / "absent.pt")


def _engine(objects, path, **options) -> Engine:
    engine = Engine(lambda engine, batch: None)
    ResumeCheckpoint(objects, str(path), **options).attach(engine)
    return engine


def test_resuming_without_a_file_starts_from_scratch(tmp_path):
    engine = _engine({"network": torch.nn.Linear(2, 2)}, tmp_path / "deep" / "x.pt", resume=True)
    engine.run([0], max_epochs=2)
    assert load_safely(tmp_path / "deep" / "x.pt")["trainer"] == {"epoch": 2, "iteration": 2}


def test_a_checkpoint_that_lacks_something_is_refused(tmp_path):
    network = torch.nn.Linear(2, 2)
    _engine({"network": network}, tmp_path / "x.pt").run([0], max_epochs=1)
    with pytest.raises(ValueError, match=r"x\.pt lacks \['random'\]"):
        _engine({"network": network, "random": RandomState()}, tmp_path / "x.pt", resume=True).run([0], max_epochs=2)


def test_interval(tmp_path):
    _engine({}, tmp_path / "x.pt", interval=2).run([0], max_epochs=3)
    assert load_safely(tmp_path / "x.pt")["trainer"]["epoch"] == 2


def _with_scaler(path, scaler: torch.amp.GradScaler | None, **options) -> Engine:
    engine = _engine({}, path, **options)
    engine.scaler = scaler
    return engine


def _scaler(scale: float) -> torch.amp.GradScaler:
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=3)
    scaler.scale(torch.ones(()))  # makes its tensors, as the first iteration does
    return scaler


def test_the_scale_of_mixed_precision_continues(tmp_path):
    before, after = _scaler(2.0**9), _scaler(2.0**16)
    before.load_state_dict({**before.state_dict(), "_growth_tracker": 2})
    _with_scaler(tmp_path / "x.pt", before).run([0], max_epochs=1)
    _with_scaler(tmp_path / "x.pt", after, resume=True).run([0], max_epochs=2)
    assert after.get_scale() == 2.0**9
    assert after.state_dict() == before.state_dict()


@pytest.mark.parametrize("saved, loaded", [(None, 4.0), (4.0, None)])
def test_mixed_precision_may_come_and_go(tmp_path, saved, loaded):
    scalers = [None if scale is None else _scaler(scale) for scale in (saved, loaded)]
    _with_scaler(tmp_path / "x.pt", scalers[0]).run([0], max_epochs=1)
    engine = _with_scaler(tmp_path / "x.pt", scalers[1], resume=True)
    assert engine.run([0], max_epochs=2).iteration == 2
    assert loaded is None or scalers[1].get_scale() == loaded


def _evaluate(saver: BestModelSaver, epoch: int, value: float) -> None:
    engine = Engine(lambda engine, batch: None)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: engine.state.metrics.update(auc=value))
    engine.add_event_handler(Events.STARTED, lambda: setattr(engine.state, "epoch", epoch - 1))
    saver.attach(engine)
    saver.network.weight.data.fill_(epoch)
    engine.run([0], max_epochs=epoch)


def test_best_model_follows_the_metric_also_after_resuming(tmp_path):
    path = tmp_path / "deep" / "model.pt"
    saver = BestModelSaver(torch.nn.Linear(1, 1), str(path), "auc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for epoch, value in enumerate([0.5, float("nan"), 0.7, 0.6, 0.7], start=1):
            _evaluate(saver, epoch, value)
    assert (saver.best, saver.best_epoch) == (0.7, 3)
    assert load_safely(path)["weight"].item() == 3

    later = BestModelSaver(torch.nn.Linear(1, 1), str(path), "auc")
    later.load_state_dict(saver.state_dict())
    _evaluate(later, 6, 0.65)
    assert load_safely(path)["weight"].item() == 3
    _evaluate(later, 7, 0.8)
    assert load_safely(path)["weight"].item() == 7


def test_while_the_metric_is_no_number_the_newest_network_is_saved(tmp_path):
    saver = BestModelSaver(torch.nn.Linear(1, 1), str(tmp_path / "model.pt"), "auc")
    for epoch in (1, 2):
        with pytest.warns(UserWarning, match=r"auc is not a number.*one class only.*model\.pt holds the newest"):
            _evaluate(saver, epoch, float("nan"))
        assert load_safely(tmp_path / "model.pt")["weight"].item() == saver.best_epoch == epoch
    for epoch, value in ((3, 0.2), (4, float("nan"))):
        _evaluate(saver, epoch, value)
        assert load_safely(tmp_path / "model.pt")["weight"].item() == saver.best_epoch == 3
