"""Chest films as the radiologist sees them: display values in [0, 1], resized, cropped, augmented, cached."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; all need MONAI, some pydicom, so they are loaded on first use.
_HOMES = {
    "ALLOWED_ATTRIBUTES": ".attributes",
    "CropFilmBorder": ".crop_border",
    "CropFilmBorderD": ".crop_border",
    "CropFilmBorderDict": ".crop_border",
    "CropFilmBorderd": ".crop_border",
    "DisplayError": ".errors",
    "Film": ".display",
    "FilmGeometry": ".film_geometry",
    "FilmSpacing": ".spacing",
    "LoadCachedFilmD": ".load_cached_film",
    "LoadCachedFilmDict": ".load_cached_film",
    "LoadCachedFilmd": ".load_cached_film",
    "LoadRadiograph": ".load",
    "LoadRadiographD": ".load",
    "LoadRadiographDict": ".load",
    "LoadRadiographd": ".load",
    "RadiographReader": ".reader",
    "RandFilmAugment": ".augment_film",
    "RandFilmAugmentD": ".augment_film",
    "RandFilmAugmentDict": ".augment_film",
    "RandFilmAugmentd": ".augment_film",
    "ResizeFilm": ".resize_film",
    "ResizeFilmD": ".resize_film",
    "ResizeFilmDict": ".resize_film",
    "ResizeFilmd": ".resize_film",
    "display_values": ".display",
    "film_of": ".display",
    "read_film": ".film_files",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
