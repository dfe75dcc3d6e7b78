"""A small trainer with a memorising network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator, SupervisedTrainer
from PIL import Image

from monai_memvit import EpochSampler, MoViT
from monai_memvit.data import Case
from monai_memvit.memory import MemoryBank

IDS = PrepareBatchExtraInput({"sample_ids": "sample_id", "group_ids": "group_id"})


@pytest.fixture
def items() -> list[dict[str, Any]]:
    """Twelve images of two classes and six groups, with ids from 100."""
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return [
        {"image": image + 0.5 * (i % 2), "label": i % 2, "sample_id": 100 + i, "group_id": i // 2}
        for i, image in enumerate(images)
    ]


@pytest.fixture
def make_network() -> Callable[..., MoViT]:
    def make(memory_layers: tuple[int, ...] = (-1,)) -> MoViT:
        torch.manual_seed(0)
        sizes = {"in_channels": 1, "img_size": 8, "num_classes": 2, "hidden_size": 24, "num_layers": 2}
        return MoViT.from_preset("micro", **sizes, memory_layers=memory_layers)

    return make


@pytest.fixture
def make_trainer(items: list[dict[str, Any]]) -> Callable[..., SupervisedTrainer]:
    def make(network: MoViT, *handlers: Any, epochs: int = 2, lr: float = 0.05) -> SupervisedTrainer:
        loader = DataLoader(_BySampler(items), batch_size=4, sampler=EpochSampler(items), num_workers=0)
        return SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=epochs,
            train_data_loader=loader,
            network=network,
            optimizer=torch.optim.SGD(network.parameters(), lr),
            loss_function=torch.nn.CrossEntropyLoss(),
            prepare_batch=IDS,
            train_handlers=list(handlers),
            decollate=False,
        )

    return make


@pytest.fixture
def make_evaluator(items: list[dict[str, Any]]) -> Callable[..., SupervisedEvaluator]:
    def make(network: MoViT, *handlers: Any, prepare_batch: Any = IDS) -> SupervisedEvaluator:
        return SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(items, batch_size=5, num_workers=0),
            network=network,
            prepare_batch=prepare_batch,
            postprocessing=_softmax,
            val_handlers=list(handlers),
        )

    return make


@pytest.fixture
def fill_bank(items: list[dict[str, Any]]) -> Callable[[MemoryBank], None]:
    """Puts a random fact of every item into a bank."""

    def fill(bank: MemoryBank) -> None:
        generator = torch.Generator().manual_seed(5)
        shape = (len(items), bank.num_heads, bank.head_dim)
        ids, groups = (torch.tensor([item[key] for item in items]) for key in ("sample_id", "group_id"))
        bank.update(ids, torch.randn(shape, generator=generator), torch.randn(shape, generator=generator), groups)

    return fill


@pytest.fixture
def cases(items: list[dict[str, Any]], tmp_path: Path) -> dict[int, Case]:
    """What is known of the items, with an image file each."""
    known = {}
    for i, item in enumerate(items):
        path = tmp_path / f"{i}.png"
        Image.fromarray((item["image"][0].numpy() * 150).astype(np.uint8)).save(path)
        known[item["sample_id"]] = Case(f"sample{i}", f"patient{i // 2}", item["label"], path, "training")
    return known


class _BySampler(torch.utils.data.Dataset):
    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        return self.items[key[1]]

    def __len__(self) -> int:
        return len(self.items)


def _softmax(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "pred": item["pred"].softmax(-1)}
