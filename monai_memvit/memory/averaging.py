"""Several visits of one case become one."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["merge_visits"]


def merge_visits(ids: Tensor, groups: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sort by id and average what belongs to the same id, in float64 and in a fixed order.

    Args:
        ids: ``(B,)`` int64.
        groups: ``(B,)`` int64.
        keys: ``(B, H, d)``.
        values: ``(B, H, d)``.

    Returns:
        ids, groups, keys and values, ids ascending and without repeats.

    Raises:
        ValueError: when one id comes with two groups.
    """
    order = ids.argsort(stable=True)
    ids, groups, keys, values = ids[order], groups[order], keys[order], values[order]
    unique, counts = torch.unique_consecutive(ids, return_counts=True)
    if len(unique) == len(ids):
        return ids, groups, keys, values
    first = counts.cumsum(0) - counts
    if not torch.equal(groups, groups[first].repeat_interleave(counts)):
        odd = ids[groups != groups[first].repeat_interleave(counts)][0]
        raise ValueError(f"sample id {int(odd)} came with two group ids: a sample belongs to one patient or slide.")
    keys, values = (
        torch.segment_reduce(t.double(), "mean", lengths=counts, axis=0).to(t.dtype) for t in (keys, values)
    )
    return unique, groups[first], keys, values
