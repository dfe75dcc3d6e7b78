"""What a network makes of the cases of a datalist: features, logits, and how long that took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..networks.blocks import MemoryAttention
from .trained_bundle import TrainedBundle

__all__ = ["SeenCases", "look_at"]


class SeenCases(NamedTuple):
    """One row per case that could be read, on the CPU.

    Args:
        ids: opaque sample ids ``(N,)`` int64.
        groups: opaque ids of patients or slides ``(N,)`` int64.
        labels: in the class names of the datalist ``(N,)`` int64.
        features: of the last layer ``(N, F)`` float32.
        logits: of the network ``(N, K)`` float32.
        unreadable: causes by sample id.
        seconds: of the forward passes.
    """

    ids: Tensor
    groups: Tensor
    labels: Tensor
    features: Tensor
    logits: Tensor
    unreadable: dict[int, str]
    seconds: float


@torch.no_grad()
def look_at(trained: TrainedBundle, items: Sequence[dict[str, Any]]) -> SeenCases:
    """Run the network over cases, as the bundle's evaluator would; one that cannot be read is left out.

    Args:
        trained: the network.
        items: of a datalist (see :func:`monai_memvit.data.load_section`).

    Returns:
        the rows in the order of the items.

    Raises:
        ValueError: when no case can be read.
    """
    unreadable: dict[int, str] = {}
    rows, seconds, kept = [], 0.0, []
    with _own_facts_hidden(trained.network.network):
        for start in range(0, len(items), trained.batch_size):
            loaded = list(_loaded(trained, items[start : start + trained.batch_size], unreadable))
            if loaded:
                row, spent = _described(trained, loaded)
                rows.append(row)
                kept += loaded
                seconds += spent
    if not rows:
        raise ValueError(f"none of {len(items)} cases can be read, the first: {next(iter(unreadable.values()), '')}.")
    ids, groups, labels = (
        torch.tensor([int(item[name]) for item in kept]) for name in ("sample_id", "group_id", "label")
    )
    features, logits = (torch.cat(column) for column in zip(*rows))
    return SeenCases(ids, groups, labels, features, logits, unreadable, seconds)


def _loaded(
    trained: TrainedBundle, items: Sequence[dict[str, Any]], unreadable: dict[int, str]
) -> Iterator[dict[str, Any]]:
    for item in items:
        try:
            yield trained.preprocessing(dict(item))
        except Exception as error:  # readers raise all kinds on damaged files, and one bad file must not end the job
            root = error.__cause__ or error
            unreadable[int(item["sample_id"])] = f"{type(root).__name__}: {root}"


def _described(trained: TrainedBundle, loaded: list[dict[str, Any]]) -> tuple[tuple[Tensor, Tensor], float]:
    from monai.data import list_data_collate

    image, _, *more = trained.prepare_batch(list_data_collate(loaded), trained.device)
    args, kwargs = more if more else ((), {})
    begun = perf_counter()
    features, logits = (t.float().cpu() for t in trained.network.describe(image, *args, **kwargs))
    return (features, logits), perf_counter() - begun


@contextmanager
def _own_facts_hidden(network: nn.Module) -> Iterator[None]:
    """A case of the training set must look as it would to a network that has not stored it."""
    layers = [module for module in network.modules() if isinstance(module, MemoryAttention)]
    before = [layer.writing for layer in layers]
    for layer in layers:
        layer.writing = True
    try:
        yield
    finally:
        for layer, was in zip(layers, before):
            layer.writing = was
