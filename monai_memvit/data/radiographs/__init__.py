"""Preparing chest films: from a folder of films and a label file to display values that load in milliseconds."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; they need MONAI, pydicom or torch, so they are loaded on first use.
_HOMES = {
    "CachedFilm": ".film_cache",
    "CsvColumns": ".label_files.any_csv",
    "FilmPipeline": ".film_pipeline",
    "FilmProblem": ".film_cache",
    "LabelOptions": ".label_files.find",
    "LabelPolicy": ".policies",
    "LeftOutFilm": ".label_files.film_labels",
    "RadiographOptions": ".options",
    "RadiographReport": ".report",
    "cache_films": ".film_cache",
    "load_film_pipeline": ".pipeline_file",
    "load_film_record": ".film_cache",
    "load_new_films": ".inference",
    "prepare_radiographs": ".prepare",
    "remove_stale_films": ".film_cache",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
