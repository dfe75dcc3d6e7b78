"""The file of a case memory beside the weights that made its features."""

from __future__ import annotations

from pathlib import Path

from ..handlers.checkpoints import load_safely, save_atomically
from ..memory import CaseMemory
from .trained_bundle import TrainedBundle

__all__ = ["load_memory", "save_memory"]


def load_memory(path: Path, trained: TrainedBundle) -> CaseMemory:
    """Read a memory, or begin one.

    Args:
        path: of the file; may be absent.
        trained: the network that it must belong to.

    Returns:
        the memory.

    Raises:
        ValueError: when the file is damaged, or belongs to other weights, another preparation or other classes.
    """
    names = trained.network.memory.class_names
    width = trained.network.memory.num_features
    memory = CaseMemory(width, names, network=trained.weights, preparation=trained.home.pipeline)
    if not path.exists():
        return memory
    state = load_safely(path)
    try:
        memory.load_state_dict(state)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} does not fit: {error} Remove it and add the cases again, or give the checkpoint that it was made "
            "with."
        ) from None
    return memory


def save_memory(memory: CaseMemory, path: Path) -> None:
    """Write a memory, whole or not at all; where no new case is left, no file is: the network is alone again.

    Args:
        memory: to be kept.
        path: of the file.
    """
    if not memory.learned.all():
        save_atomically(memory.state_dict(), path)
    else:
        path.unlink(missing_ok=True)
