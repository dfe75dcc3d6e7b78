"""Opening a slide, whatever its format."""

from __future__ import annotations

import os
from pathlib import Path

from .dicom_series import is_dicom
from .slide import SlideError, SlideReader

__all__ = ["open_slide"]


def open_slide(path: str | os.PathLike[str], mpp: float | None = None) -> SlideReader:
    """Open a slide for reading.

    Args:
        path: a file of a scanner's vendor or a tiled TIFF (read by openslide), a file of a DICOM series, or the folder
            of one (read by wsidicom).
        mpp: micrometres per pixel of level 0, for a slide that tells none; a slide that tells its own keeps it.

    Raises:
        SlideError: where it cannot be opened.
        ValueError: where ``mpp`` is not a positive number.
    """
    if mpp is not None and not 0 < mpp < float("inf"):
        raise ValueError(f"mpp is {mpp}: give the micrometres per pixel of level 0, such as 0.25")
    path = Path(os.path.abspath(path))  # of a link, not its target: what belongs to a slide lies beside the link
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise SlideError(f"{shown}: its name, or that of a folder above, is not UTF-8: rename it") from None
    if not path.exists():
        raise SlideError(f"{path} does not exist: correct the path")
    if path.is_dir() or is_dicom(path):
        from .dicom_reader import DicomSlideReader

        return DicomSlideReader(path, mpp)
    from .openslide_reader import VendorSlideReader

    return VendorSlideReader(path, mpp)
