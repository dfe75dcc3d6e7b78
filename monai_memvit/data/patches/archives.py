"""Opening npz archives safely: no pickles, and a clear error for what is damaged."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

__all__ = ["archive_names", "check_images", "check_length", "load_array"]


def archive_names(path: Path) -> list[str]:
    """Return the names of the arrays in an npz archive.

    Args:
        path: the npz file.

    Raises:
        ValueError: where the file is no readable archive.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return list(archive.files)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, AttributeError):
        raise ValueError(f"{path} is not a whole npz archive: copy or download it again") from None


def load_array(path: Path, name: str) -> np.ndarray:
    """Load one array of an npz archive, never unpickling.

    Args:
        path: the npz file.
        name: of the array.

    Raises:
        ValueError: where the array is absent, damaged, or holds Python objects.
    """
    names = archive_names(path)
    if name not in names:
        raise ValueError(f"{path} has no array {name!r}; it holds {', '.join(names)}: name one of them")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            array: np.ndarray = archive[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: array {name!r} cannot be read ({error}): save it again without pickling") from None
    return array


def check_images(images: np.ndarray, origin: str) -> None:
    """Check that an array holds pictures: gray ``(N, H, W)`` or with channels last ``(N, H, W, C)``, C up to 4.

    Args:
        images: the array.
        origin: its name in error messages.
    """
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] > 4) or 0 in images.shape:
        raise ValueError(
            f"{origin} has shape {images.shape}: pictures are (N, H, W) or (N, H, W, 3); volumes are not patches"
        )


def check_length(array: np.ndarray, expected: int, origin: str) -> np.ndarray:
    """Check that an array holds one value per image, dropping a trailing axis of one; return it as ``(N,)``.

    Args:
        array: one value per image, ``(N,)`` or ``(N, 1)``.
        expected: number of images.
        origin: name of the array in error messages.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (expected,):
        raise ValueError(f"{origin} has shape {array.shape}, but there are {expected} images: one value each is needed")
    return array
