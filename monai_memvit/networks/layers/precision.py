"""In which precision what is computed: statistics in float32 at least, large products as the device likes them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["no_autocast", "operand_dtype", "wide"]


def no_autocast(x: Tensor) -> torch.autocast:
    """A context in which products keep the precision of their operands.

    Args:
        x: any tensor on the device in question.

    Returns:
        the context.
    """
    return torch.autocast(x.device.type, enabled=False)


def wide(x: Tensor) -> Tensor:
    """The tensor in float32, or in float64 if it is.

    Args:
        x: of any floating dtype.

    Returns:
        ``x`` itself or a copy.
    """
    return x if x.dtype == torch.float64 else x.float()


def operand_dtype(x: Tensor) -> torch.dtype:
    """What to hand to products over all tokens: on a GPU the dtype of autocast or input, on a CPU float32 at least.

    Args:
        x: the input.

    Returns:
        the dtype; a CPU multiplies float32 faster than half precision.
    """
    if not x.is_cuda:
        return wide(x).dtype
    return torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
