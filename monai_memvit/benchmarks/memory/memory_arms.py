"""The two networks that the memory benchmark compares, their banks, and one step of work with each."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from ignite.engine import Engine, Events
from torch import Tensor

from ...handlers import MemoryUpdateHandler
from ...memory import CaseSnapshot, MemoryBank, memory_layers
from ...networks.nets import MoViT

__all__ = ["NUM_CLASSES", "Arm", "Batch", "filled_bank", "make_arms", "make_batch"]

NUM_CLASSES = 9  # as NCT-CRC-HE-100K
_FACTS_PER_GROUP = 100
_EPOCH = 2  # the first one in which the memory is read


class Batch(NamedTuple):
    """Labelled images of known cases.

    Args:
        images: ``(B, 3, S, S)``.
        labels: ``(B,)`` int64.
        ids: ``(B,)`` int64, cases of the bank.
        groups: ``(B,)`` int64.
    """

    images: Tensor
    labels: Tensor
    ids: Tensor
    groups: Tensor


class Arm:
    """A network with its optimizer and, where it has a memory, the handler that stages and writes its facts.

    Args:
        network: a :class:`MoViT`, with or without memory layers.
    """

    def __init__(self, network: MoViT) -> None:
        self.network = network
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
        self.trainer = Engine(lambda engine, batch: None)
        self.layer: Any = None
        if any(isinstance(module, MemoryBank) for module in network.modules()):
            (self.layer,) = memory_layers(network)
            MemoryUpdateHandler(network).attach(self.trainer)
        self.trainer.state.max_epochs = 100
        self.trainer.state.epoch = _EPOCH
        self.trainer.fire_event(Events.STARTED)
        self.trainer.fire_event(Events.EPOCH_STARTED)

    def train_step(self, batch: Batch, bank: MemoryBank | None = None) -> None:
        """Forward, backward, optimizer step and staging of the batch's facts.

        Args:
            batch: what to train on.
            bank: what to read; None for a network without memory.
        """
        self._take(bank)
        self.network.train()
        self.optimizer.zero_grad()
        F.cross_entropy(self.network(batch.images, batch.ids, batch.groups), batch.labels).backward()
        self.optimizer.step()
        self.trainer.fire_event(Events.ITERATION_COMPLETED)

    @torch.no_grad()
    def infer(self, batch: Batch, bank: MemoryBank | None = None) -> Tensor:
        """Logits in evaluation mode.

        Args:
            batch: anonymous images, as far as the network sees.
            bank: what to read; None for a network without memory.

        Returns:
            ``(B, K)``.
        """
        self._take(bank)
        self.network.eval()
        return self.network(batch.images)

    def stage_epoch(self, bank: MemoryBank, batch_size: int) -> None:
        """Stage a new fact of every case of the bank, in batches and shuffled, as an epoch leaves them behind.

        Args:
            bank: the memory to be written.
            batch_size: cases per step.
        """
        self._take(bank)
        for rows in torch.randperm(len(bank), device=bank.ids.device).split(batch_size):
            keys, values = bank.keys[rows], bank.values[rows]
            self.layer.latest = CaseSnapshot(bank.ids[rows], bank.groups[rows], keys, keys, values)
            self.trainer.fire_event(Events.ITERATION_COMPLETED)

    def write_epoch(self) -> None:
        """Write what is staged, as at the end of an epoch."""
        self.trainer.fire_event(Events.EPOCH_COMPLETED)

    def _take(self, bank: MemoryBank | None) -> None:
        if bank is not None:
            self.layer.bank = bank


def make_arms(preset: str, image_size: int, device: torch.device, seed: int = 0) -> tuple[Arm, Arm]:
    """The same network, of equal weights, without and with a memory in its last block.

    Args:
        preset: a size of :class:`MoViT`.
        image_size: pixels.
        device: where it computes.
        seed: of the weights.

    Returns:
        the plain arm and the one with memory.
    """
    arms = []
    for layers in ((), (-1,)):
        torch.manual_seed(seed)
        network = MoViT.from_preset(
            preset, in_channels=3, img_size=image_size, num_classes=NUM_CLASSES, memory_layers=layers
        )
        arms.append(Arm(network.to(device)))
    return arms[0], arms[1]


def filled_bank(num_heads: int, head_dim: int, facts: int, device: torch.device, seed: int = 0) -> MemoryBank:
    """A bank of random facts with opaque 63-bit ids, about a hundred to a group (patient).

    Args:
        num_heads: H.
        head_dim: d.
        facts: how many.
        device: where it lives.
        seed: of the facts.

    Returns:
        the bank.
    """
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(2**63 - 1, (facts,), generator=generator)
    patients = torch.randint(2**63 - 1, (facts // _FACTS_PER_GROUP + 1,), generator=generator)
    keys, values = torch.randn(2, facts, num_heads, head_dim, generator=generator)
    bank = MemoryBank(num_heads, head_dim)
    bank.update(ids, keys, values, patients[torch.arange(facts) // _FACTS_PER_GROUP])
    return bank.to(device)


def make_batch(bank: MemoryBank, batch_size: int, image_size: int, source_size: int, seed: int = 0) -> Batch:
    """Random images of cases that the bank already holds.

    Args:
        bank: whose cases to draw.
        batch_size: B.
        image_size: pixels that the network sees, S.
        source_size: pixels of the images, cropped in the middle.
        seed: of the draw.

    Returns:
        the batch, on the bank's device.
    """
    generator = torch.Generator().manual_seed(seed)
    start = (source_size - image_size) // 2
    inside = slice(start, start + image_size)
    images = torch.randn(batch_size, 3, source_size, source_size, generator=generator)[:, :, inside, inside]
    labels = torch.randint(NUM_CLASSES, (batch_size,), generator=generator)
    rows = torch.randint(len(bank), (batch_size,), generator=generator)
    device = bank.ids.device
    return Batch(
        images.contiguous().to(device), labels.to(device), *(t[rows.to(device)] for t in (bank.ids, bank.groups))
    )
