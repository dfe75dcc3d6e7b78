"""Small films, quick to make."""

from __future__ import annotations

import pytest

from monai_memvit.data.simulate.radiographs import RadiographSimulation


@pytest.fixture
def small() -> RadiographSimulation:
    return RadiographSimulation(size=96)
