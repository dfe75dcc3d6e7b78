"""Who is in the batch: the thread that carries sample and group ids to the memory layers of a network."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["CaseContext"]


class CaseContext:
    """The ids of the samples in the present forward pass, shared by a network and its memory layers.

    Attention layers keep the plain signature ``forward(x, mask)``; the ids reach them by this object, so that any
    network, MONAI's own included, can hold memory layers.

    Example::

        context.arrive(sample_ids, group_ids)
        tokens = blocks(tokens)
        context.leave()
    """

    def __init__(self) -> None:
        self.sample_ids: Tensor | None = None
        self.group_ids: Tensor | None = None

    def arrive(self, sample_ids: Tensor | None, group_ids: Tensor | None = None) -> None:
        """State who is in the batch.

        Args:
            sample_ids: opaque int64 ids ``(B,)``, or None for anonymous samples.
            group_ids: opaque int64 group ids ``(B,)``; None means that every sample is a group of its own.

        Raises:
            ValueError: when the shapes differ or the ids are no int64 vectors.
        """
        for name, ids in (("sample_ids", sample_ids), ("group_ids", group_ids)):
            if ids is not None and (ids.ndim != 1 or ids.dtype != torch.int64):
                raise ValueError(f"{name} must be int64 ids, one per sample; got {ids.dtype} {tuple(ids.shape)}.")
        if sample_ids is None and group_ids is not None:
            raise ValueError("group_ids came without sample_ids: hand both to the network, or neither.")
        if sample_ids is not None and group_ids is not None and sample_ids.shape != group_ids.shape:
            raise ValueError(f"{len(sample_ids)} sample_ids came with {len(group_ids)} group_ids: one each per sample.")
        self.sample_ids = sample_ids
        self.group_ids = sample_ids if group_ids is None else group_ids

    def leave(self) -> None:
        """The forward pass is over: nobody is in the batch."""
        self.sample_ids = self.group_ids = None
