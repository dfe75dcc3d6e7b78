"""What all tests share: a quiet environment, one thread a worker, and the way to real data where there is any."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).parents[1]

# A developer's own tracking server must see nothing of the tests.
for _name in [name for name in os.environ if name.startswith("MLFLOW_")]:
    del os.environ[_name]

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def monai_as_it_was() -> Iterator[None]:
    """A test that switches off MONAI's metadata, as the bundles do, does so for itself only."""
    yield
    if "monai.data" in sys.modules:
        sys.modules["monai.data"].set_track_meta(True)


@pytest.fixture
def seed() -> int:
    """Seed torch's global generator, and hand out the number for others."""
    torch.manual_seed(20240229)
    return 20240229


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images: MEMVIT_TEST_DATA, else shared/data beside the repository."""
    folder = Path(os.environ.get("MEMVIT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real images in {folder}: set MEMVIT_TEST_DATA to a folder of them")
    return folder
