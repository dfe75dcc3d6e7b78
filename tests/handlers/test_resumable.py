"""The random state as an object of a checkpoint."""

from __future__ import annotations

import io
import random

import numpy as np
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
