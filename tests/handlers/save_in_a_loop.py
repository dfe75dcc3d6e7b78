"""Saves a checkpoint over and over until it is killed: ``python save_in_a_loop.py FILE``."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import torch

from monai_memvit.handlers.checkpoints import save_atomically

if __name__ == "__main__":
    for n in count():
        save_atomically({"number": n, "weights": torch.full((200_000,), float(n))}, Path(sys.argv[1]))
        print(n, flush=True)
