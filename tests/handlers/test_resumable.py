"""The random state as an object of a checkpoint."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_memvit import RandomState


def _draw() -> tuple:
    return random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(3).tolist()


def test_all_generators_continue_from_a_file():
    _draw()  # leaves second halves of Gaussian pairs behind
    file = io.BytesIO()
    torch.save(RandomState().state_dict(), file)
    expected = [_draw() for _ in range(3)]
    _draw()
    file.seek(0)
    RandomState().load_state_dict(torch.load(file, weights_only=True))
    assert [_draw() for _ in range(3)] == expected


@pytest.mark.slow
def test_every_rank_gets_its_own_generators_back(tmp_path):
    script, root = Path(__file__).with_name("two_rank_random_state.py"), Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, script, tmp_path], check=True, timeout=500, env=environment)
    (first, again), (second, once_more) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert again == first != second == once_more


def test_a_rank_that_the_checkpoint_does_not_know_keeps_its_generators(monkeypatch):
    state = RandomState().state_dict()
    _draw()
    present = torch.get_rng_state()
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    RandomState().load_state_dict(state)
    assert torch.equal(torch.get_rng_state(), present)
