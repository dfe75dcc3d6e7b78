"""Simulated MRI of glioma patients: brain-like heads, five sequences, and the truth about motion and tumour."""

from __future__ import annotations

from .cohort import simulate_mri
from .options import MriSimulation
from .patient import SimulatedPatient, simulate_patient

__all__ = ["MriSimulation", "SimulatedPatient", "simulate_mri", "simulate_patient"]
