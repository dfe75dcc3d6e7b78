"""A film that has been brought to display values and looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .gather import FoundFilm
from .thumbnails import FilmLook

__all__ = ["PreparedFilm"]


@dataclass(frozen=True)
class PreparedFilm:
    """One film of the datalist.

    Args:
        found: labels, patient and source of the film.
        file: ``.npy`` of its display values.
        record: what the preparation noted of it.
        view: by the label file or the DICOM header; empty where unknown.
        look: how it looks from far.
    """

    found: FoundFilm
    file: Path
    record: Mapping[str, Any] = field(repr=False)
    view: str
    look: FilmLook = field(repr=False)
