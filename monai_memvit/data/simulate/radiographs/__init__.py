"""Simulated chest films: a labelled cohort with known findings, and every way of writing a film as DICOM."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; some need pydicom and decoders, so they are loaded on first use.
_HOMES = {
    "FilmCombination": ".combinations",
    "RadiographSimulation": ".options",
    "SimulatedFilm": ".film",
    "expected_display": ".expected",
    "film_combinations": ".combinations",
    "simulate_film": ".film",
    "simulate_film_combinations": ".combination_files",
    "simulate_radiographs": ".cohort",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
