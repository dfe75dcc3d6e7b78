"""Measures one setting of the memory benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from torch import Tensor

from ...memory import MemoryBank, PrototypicalAttentionLearning
from ..tools.timing import Ratio, Stopwatch, interleave, paired_ratio
from .memory_arms import Arm, filled_bank, make_arms, make_batch
from .memory_parts import memory_parts

__all__ = ["Comparison", "Measurement", "measure"]

_PART_ROUNDS = 20
_WRITES = 3
_INFERENCES = 3  # timed for every timed training step: about as long


@dataclass(frozen=True)
class Comparison:
    """One kind of work, with one memory, against the same work without.

    Args:
        work: ``"training step"`` or ``"inference"``.
        memory: what was read, such as ``"100000 facts"``.
        without_seconds: median without memory.
        with_seconds: median with memory.
        ratio: median, lowest and highest of the rounds' ratios.
        write_seconds: of storing an epoch's facts, once per epoch; None in inference.
        ratio_with_write: the median ratio plus the write's share of one step; None in inference.
        parts: seconds of the memory's parts, timed by themselves.
    """

    work: str
    memory: str
    without_seconds: float
    with_seconds: float
    ratio: Ratio
    write_seconds: float | None
    ratio_with_write: float | None
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Measurement:
    """All figures of one setting.

    Args:
        comparisons: training steps and inference, by memory.
        banks: ``facts``, ``fact_bytes`` (keys and values) and ``bank_bytes`` (all buffers) of every memory.
        prototypes: how many were distilled.
        distilled_facts: from how many facts.
        distil_seconds: in what time.
        rounds: timed training steps; of inference, which is shorter, three times as many.
    """

    comparisons: list[Comparison]
    banks: list[dict[str, int]]
    prototypes: int
    distilled_facts: int
    distil_seconds: float
    rounds: int


def measure(
    preset: str,
    image_size: int,
    source_size: int,
    facts: Sequence[int],
    prototypes: int,
    batch_size: int,
    rounds: int,
    stopwatch: Stopwatch,
) -> Measurement:
    """Compare a preset of MoViT with the same network without memory.

    Args:
        preset: size of the network.
        image_size: pixels that it sees.
        source_size: pixels of the images, cropped in the middle.
        facts: sizes of the memory, ascending.
        prototypes: how many to distil from the largest memory, for inference.
        batch_size: images per step.
        rounds: timed training steps; of inference, which is shorter, three times as many.
        stopwatch: what times the work, on its device.

    Returns:
        :class:`Measurement`.
    """
    device = stopwatch.device
    without, with_memory = make_arms(preset, image_size, device)
    local = with_memory.layer.local
    banks = {f"{n} facts": filled_bank(local.num_heads, local.head_dim, n, device) for n in facts}
    largest = banks[f"{facts[-1]} facts"]
    distilled, distil_seconds = _distil(largest, min(prototypes, len(largest)), stopwatch)
    readable = banks | {f"{len(distilled)} prototypes": distilled}
    batch_of = partial(make_batch, batch_size=batch_size, image_size=image_size, source_size=source_size)
    batch = batch_of(largest)
    batches = {name: batch_of(bank) for name, bank in banks.items()}
    neighbors = with_memory.layer.num_neighbors

    # Inference first: training changes the weights.
    inferences = {name: partial(with_memory.infer, batch, bank) for name, bank in readable.items()}
    times, base = _interleave(partial(without.infer, batch), inferences, _INFERENCES * rounds, stopwatch)
    comparisons = [
        _compare(
            "inference", name, base, times[name], memory_parts(bank, batch, neighbors, False, _PART_ROUNDS, stopwatch)
        )
        for name, bank in readable.items()
    ]
    steps = {name: partial(with_memory.train_step, batches[name], bank) for name, bank in banks.items()}
    times, base = _interleave(partial(without.train_step, batch), steps, rounds, stopwatch)
    for name, bank in banks.items():
        parts = memory_parts(bank, batches[name], neighbors, True, _PART_ROUNDS, stopwatch)
        write = _write_seconds(with_memory, bank, batch_size, stopwatch)
        comparisons.append(_compare("training step", name, base, times[name], parts, write, len(bank) / batch_size))
    sizes = [_size(bank) for bank in banks.values()]
    return Measurement(comparisons, sizes, len(distilled), len(largest), distil_seconds, rounds)


def _distil(bank: MemoryBank, count: int, stopwatch: Stopwatch) -> tuple[MemoryBank, float]:
    made: list[MemoryBank] = []
    elapsed = stopwatch(lambda: made.append(bank.distil(PrototypicalAttentionLearning(count))))
    return made[0], elapsed


def _interleave(
    baseline: Callable[[], object], arms: Mapping[str, Callable[[], object]], rounds: int, stopwatch: Stopwatch
) -> tuple[dict[str, list[float]], list[float]]:
    times = interleave({"without": baseline, **arms}, rounds, stopwatch)
    return times, times.pop("without")


def _compare(
    work: str,
    memory: str,
    base: Sequence[float],
    times: Sequence[float],
    parts: Mapping[str, float],
    write: float | None = None,
    steps_per_epoch: float = 1,
) -> Comparison:
    ratio = paired_ratio(times, base)
    with_write = None if write is None else ratio.median + write / max(1.0, steps_per_epoch) / median(base)
    return Comparison(work, memory, median(base), median(times), ratio, write, with_write, parts)


def _write_seconds(arm: Arm, bank: MemoryBank, batch_size: int, stopwatch: Stopwatch) -> float:
    writer = Arm(arm.network)  # with nothing staged yet
    times = []
    for _ in range(_WRITES):
        writer.stage_epoch(bank, batch_size)
        times.append(stopwatch(writer.write_epoch))
    return median(times)


def _size(bank: MemoryBank) -> dict[str, int]:
    def size(tensors: Iterable[Tensor]) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    return {"facts": len(bank), "fact_bytes": size((bank.keys, bank.values)), "bank_bytes": size(bank.buffers())}
