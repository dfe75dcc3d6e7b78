"""Simulated patients that several files look at."""

from __future__ import annotations

import pytest

from monai_memvit.data.simulate.mri import MriSimulation, SimulatedPatient, simulate_patient
from monai_memvit.data.simulate.mri.acquisition import Grid
from monai_memvit.data.simulate.mri.signals import PROTOCOL


@pytest.fixture(scope="session")
def coarse() -> MriSimulation:
    """Grids of few voxels, for what does not depend on how the images look."""
    return MriSimulation(grids=dict.fromkeys(PROTOCOL, Grid((40, 40, 10), (6.0, 6.0, 15.0))), anatomy_mm=4.0)


@pytest.fixture(scope="session")
def still() -> SimulatedPatient:
    """A patient with a glioma, moving between sequences, without noise and coil."""
    return simulate_patient(3, 0, MriSimulation(malignant=1.0, noise=0.0, bias=0.0))


@pytest.fixture(scope="session")
def usual() -> SimulatedPatient:
    """A patient as the defaults make it."""
    return simulate_patient(0, 0)
