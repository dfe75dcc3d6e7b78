from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest

from monai_memvit.transforms.radiograph import isolated
from monai_memvit.transforms.radiograph.isolated import decode_apart

from .conftest import OPTIONS, RLE


def check(coded: tuple[bytes, np.ndarray]) -> int:
    """Decode, and return the number of the process that did it."""
    np.testing.assert_array_equal(decode_apart(coded[0], RLE, "pydicom", OPTIONS), coded[1])
    assert isolated._helper._process is not None
    return isolated._helper._process.pid


def test_one_process_serves_all_films(coded: tuple[bytes, np.ndarray]) -> None:
    first = check(coded)
    with pytest.raises(RuntimeError):
        decode_apart(b"nothing", RLE, "pydicom", OPTIONS)
    assert check(coded) == first != os.getpid()


def test_when_it_dies_the_film_is_refused_and_the_next_is_read(coded: tuple[bytes, np.ndarray]) -> None:
    isolated._helper.close()
    isolated._helper._process = subprocess.Popen(
        [sys.executable, "-c", "import sys, os; sys.stdin.buffer.read(1); os.abort()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with pytest.raises(RuntimeError, match="broke down"):
        decode_apart(coded[0], RLE, "pydicom", OPTIONS)
    check(coded)


def test_a_forked_worker_has_its_own(coded: tuple[bytes, np.ndarray]) -> None:
    ours = check(coded)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        theirs = pool.map(check, [coded] * 4)
    assert ours not in theirs
    assert check(coded) == ours


def test_closing_ends_it(coded: tuple[bytes, np.ndarray]) -> None:
    check(coded)
    process = isolated._helper._process
    isolated._helper.close()
    assert process is not None
    assert process.returncode is not None
