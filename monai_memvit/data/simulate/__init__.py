"""Simulated cohorts with ground truth: what demos and tests run on where there are no patients."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .patches import simulate_patches

# These come when they are asked for: a demo of one modality does not wait for another's parts.
_LAZY = {
    "MriSimulation": ".mri",
    "RadiographSimulation": ".radiographs",
    "SimulatedPatient": ".mri",
    "SlideSimulation": ".slides",
    "simulate_film_combinations": ".radiographs",
    "simulate_mri": ".mri",
    "simulate_patient": ".mri",
    "simulate_radiographs": ".radiographs",
    "simulate_slides": ".slides",
}

__all__ = [
    "MriSimulation",
    "RadiographSimulation",
    "SimulatedPatient",
    "SlideSimulation",
    "simulate_film_combinations",
    "simulate_mri",
    "simulate_patches",
    "simulate_patient",
    "simulate_radiographs",
    "simulate_slides",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)
