"""How many bytes a piece of work needs at once, and how many it keeps for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["forget_resident_peak", "peak_bytes", "resident_peak", "saved_bytes"]


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The most that tensors held at once during the work, beyond what was there before.

    Args:
        work: what to run, once.
        device: where it allocates.

    Returns:
        bytes.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    events = profile.profiler.kineto_results.events()
    held = peak = 0
    for _, size in sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"):
        held += size
        peak = max(peak, held)
    return peak


def saved_bytes(forward: Callable[[], Tensor], parameters: list[Tensor]) -> int:
    """What a forward pass keeps for its backward pass, parameters left out, a storage counted once.

    Args:
        forward: the pass.
        parameters: tensors that are kept anyway.

    Returns:
        bytes.
    """
    known = {p.untyped_storage().data_ptr() for p in parameters}
    kept: dict[int, int] = {}
    tensors = []  # alive until the end, or another tensor could take the place of one that is gone

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
            tensors.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = forward()
    del out
    return sum(kept.values())


def forget_resident_peak() -> int:
    """Let Linux forget the peak of this process's resident memory so far.

    Returns:
        what is resident now, bytes.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return resident_peak()


def resident_peak() -> int:
    """The most memory of this process that was resident at once, as Linux counts it, mapped files included.

    Returns:
        bytes.
    """
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
