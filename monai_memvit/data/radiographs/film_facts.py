"""What the record of a prepared film tells besides its picture: view, device, size."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

from .label_files.views import one_view
from .shortcut_cues import FilmCues
from .thumbnails import FilmLook

__all__ = ["device_of", "film_cues", "pixel_hash_of", "size_of", "view_of"]


def view_of(record: Mapping[str, Any], told: str = "") -> str:
    """Return the view of a film: that of the label file, else View Position (0018,5101).

    Args:
        record: of the film.
        told: by the label file; empty where it does not.
    """
    return told or one_view(_attribute(record, "ViewPosition"))


def device_of(record: Mapping[str, Any]) -> str:
    """Return manufacturer and model of the device; empty where unknown.

    Args:
        record: of the film.
    """
    words = [_attribute(record, name) for name in ("Manufacturer", "ManufacturerModelName")]
    return " ".join(word for word in words if word)


def pixel_hash_of(record: Mapping[str, Any]) -> str:
    """Return the digest of the film's display values.

    Args:
        record: of the film.
    """
    return str(record["pixel_hash"])


def size_of(record: Mapping[str, Any]) -> tuple[int, int]:
    """Return rows and columns of the film as it came.

    Args:
        record: of the film.
    """
    rows, columns = record["original_size"]
    return int(rows), int(columns)


def film_cues(record: Mapping[str, Any], view: str, ending: str, look: FilmLook) -> FilmCues:
    """Return what can be told of a film without looking at the lungs.

    Args:
        record: of the film.
        view: of the film.
        ending: of the film's file, such as ``.png``.
        look: of the prepared film.
    """
    rows, columns = size_of(record)
    return FilmCues(
        words={"view": view, "device": device_of(record), "file type": ending.lower()},
        numbers={
            "film size": log(rows * columns),
            "aspect": log(rows / columns),
            "mean brightness": look.mean,
            "contrast": look.deviation,
            "dark rim": look.dark_rim,
            "bright rim": look.bright_rim,
        },
    )


def _attribute(record: Mapping[str, Any], name: str) -> str:
    return str(record.get("attributes", {}).get(name) or "").strip()
