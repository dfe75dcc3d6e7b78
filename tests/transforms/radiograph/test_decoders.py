from __future__ import annotations

import pickle
import subprocess
import sys
from io import BytesIO
from typing import Any

import numpy as np

from monai_memvit.transforms.radiograph.decoders import decode

from .conftest import OPTIONS, RLE


def test_a_frame(coded: tuple[bytes, np.ndarray]) -> None:
    np.testing.assert_array_equal(decode(coded[0], RLE, "pydicom", OPTIONS), coded[1])


def test_as_a_program_it_answers_one_call_after_the_other(coded: tuple[bytes, np.ndarray]) -> None:
    calls: list[tuple[Any, ...]] = [
        (coded[0], RLE, "pydicom", OPTIONS),
        (b"nothing", RLE, "pydicom", OPTIONS),
        (coded[0], RLE, "pydicom", OPTIONS),
    ]
    sent = b"".join(pickle.dumps(call) for call in calls)
    program = [sys.executable, "-m", "monai_memvit.transforms.radiograph.decoders"]
    done = subprocess.run(program, input=sent, capture_output=True, check=True)
    stream = BytesIO(done.stdout)
    first, second, third = (pickle.load(stream) for _ in calls)
    np.testing.assert_array_equal(first, coded[1])
    assert isinstance(second, str)
    np.testing.assert_array_equal(third, coded[1])
    assert not stream.read()
