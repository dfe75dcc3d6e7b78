"""Stained tissue: the colours of another laboratory, drawn at random or brought to one reference."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; all need MONAI, so they are loaded on first use.
_HOMES = {
    "MacenkoNormalize": ".macenko",
    "MacenkoNormalizeD": ".macenko",
    "MacenkoNormalizeDict": ".macenko",
    "MacenkoNormalized": ".macenko",
    "RandHedJitter": ".hed_jitter",
    "RandHedJitterD": ".hed_jitter",
    "RandHedJitterDict": ".hed_jitter",
    "RandHedJitterd": ".hed_jitter",
    "RandSlideTurnD": ".slide_turns",
    "RandSlideTurnDict": ".slide_turns",
    "RandSlideTurnd": ".slide_turns",
    "RandTileSubsetD": ".tile_subset",
    "RandTileSubsetDict": ".tile_subset",
    "RandTileSubsetd": ".tile_subset",
    "StainError": ".rgb_tiles",
    "StandardizeSlideColoursD": ".slide_colours",
    "StandardizeSlideColoursDict": ".slide_colours",
    "StandardizeSlideColoursd": ".slide_colours",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
