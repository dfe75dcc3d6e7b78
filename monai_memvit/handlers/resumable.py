"""The random state of a run, for checkpoints that continue bit for bit."""

from __future__ import annotations

import random
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch

__all__ = ["RandomState"]


class RandomState:
    """Python's, NumPy's and torch's generators as one object with a ``state_dict``.

    One of the objects of a :class:`ResumeCheckpoint`, beside network, optimizer and schedule. The state holds tensors
    and plain containers only. Every rank has generators of its own; of CUDA's those of its current device count.
    """

    def state_dict(self) -> dict[str, Any]:
        """The present state of all generators of all ranks; every rank has to call it."""
        return {"ranks": idist.all_gather(_present_state())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put this rank's generators back; a rank that did not exist then leaves its own as they are.

        Args:
            state: what :meth:`state_dict` gave.
        """
        if idist.get_rank() < len(state["ranks"]):
            _put_back(state["ranks"][idist.get_rank()])


def _present_state() -> dict[str, Any]:
    version, internal, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [
            torch.from_numpy(numpy["state"]["key"].astype(np.int64)),
            numpy["state"]["pos"],
            numpy["has_gauss"],
            numpy["gauss"],
        ],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def _put_back(state: dict[str, Any]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
