"""Results that are kept as long as the tensor they came from lives and stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["kept_while_unchanged"]

Result = TypeVar("Result")


def kept_while_unchanged(compute: Callable[[Tensor], Result]) -> Callable[[Tensor], Result]:
    """``functools.cache`` for a function of one tensor, such as an index over the keys of a memory.

    A change in place computes anew, and so does another tensor, a view of the same memory included. What was kept goes
    with its tensor. Of tensors made in inference mode nothing is kept, for their changes cannot be seen.

    Args:
        compute: a function of a tensor whose result does not hold that tensor.

    Returns:
        a function that gives the same results.
    """
    kept = WeakTensorKeyDictionary()

    @wraps(compute)
    def computed(tensor: Tensor) -> Result:
        if tensor.is_inference():
            return compute(tensor)
        version, result = kept.get(tensor, (None, None))
        if version != tensor._version:
            with torch.inference_mode(False):  # or the result would be such a tensor itself
                result = compute(tensor)
            kept[tensor] = (tensor._version, result)
        return result

    return computed
