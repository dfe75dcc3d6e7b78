"""Simulated whole slides: small pyramids of stained tissue, some with a lesion of known place."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; writing needs tifffile, so they are loaded on first use.
_HOMES = {
    "SimulatedSlide": ".section",
    "SlideSimulation": ".options",
    "simulate_slide": ".section",
    "simulate_slides": ".cohort",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
