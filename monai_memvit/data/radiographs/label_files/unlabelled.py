"""Films that nobody has labelled: for pre-training, which asks for no label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..dicom_names import is_dicom
from ..image_index import PICTURES
from .film_labels import LabelFile, LabelledFilm

__all__ = ["every_film"]


def every_film(source: Path, files: Sequence[Path]) -> LabelFile:
    """Every film of a folder, without findings.

    Args:
        source: the folder.
        files: all files in it.

    Returns:
        a row per PNG, JPEG and DICOM file, named by its path.

    Raises:
        ValueError: where there is no such file.
    """
    films = [path for path in files if path.name.lower().endswith(PICTURES) or is_dicom(path)]
    if not films:
        raise ValueError(f"{source} holds no film (DICOM, {', '.join(PICTURES)}): give the folder of the films")
    names = [path.relative_to(source).as_posix() for path in films]
    rows = [LabelledFilm(name, (), "", None, "", name) for name in names]
    return LabelFile("none", [], [], rows)
