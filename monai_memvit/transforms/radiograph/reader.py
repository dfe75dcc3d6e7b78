"""A reader of chest films for MONAI's ``LoadImage``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data.image_reader import ImageReader, is_dicom_path
from monai.utils import MetaKeys, ensure_tuple
from numpy.typing import NDArray

from .display import Film
from .errors import DisplayError
from .film_files import check_window, read_film
from .refusals import RADIOGRAPH_MODALITIES

__all__ = ["RadiographReader", "film_meta"]

_SUFFIXES = (".dcm", ".dicom", ".png", ".jpg", ".jpeg")


class RadiographReader(ImageReader):
    """Read a chest film as a radiologist's display shows it (PS3.3 C.11): 0 black, 1 white.

    DICOM (CR, DX), PNG and JPEG. The array is ``(rows, columns)``, not swapped as by MONAI's own readers, and the
    affine is in mm on the film: row, column.

    A film may offer several transforms of its values of interest. ``window`` chooses: a number counts the VOI LUTs
    first and then the windows, so that 0 is the first VOI LUT, or else the first window, or else the full range of the
    stored bits; ``"lut"`` or ``"window"`` is the first of its kind; any other text is an explanation in the file
    (LUTExplanation, WindowCenterWidthExplanation). A film without the choice is refused.

    Args:
        window: which transform.
        modalities: DICOM modality or modalities to take; "" takes files that state none, None takes all.

    Raises:
        ValueError: for a ``window`` that no film could have.
    """

    def __init__(self, window: int | str = 0, modalities: str | Collection[str] | None = RADIOGRAPH_MODALITIES) -> None:
        check_window(window)
        self.window = window
        self.modalities = None if modalities is None else ensure_tuple(modalities)

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """Tell whether these may be films: by suffix, or by the preamble of DICOM.

        Args:
            filename: a file, or several.
        """
        paths = [Path(name) for name in ensure_tuple(filename)]
        return all(path.suffix.lower() in _SUFFIXES or (path.is_file() and is_dicom_path(path)) for path in paths)

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> Path:
        """Take a file's name; the file is read by :meth:`get_data`.

        ``LoadImage`` goes on to MONAI's other readers where ``read`` raises, and they would give other values for a
        film that is refused here. What ``get_data`` raises reaches the user.

        Args:
            data: one file.
            kwargs: none are known.
        """
        names = ensure_tuple(data)
        return Path("\n".join(map(str, names)) if len(names) != 1 else names[0])

    def get_data(self, img: Path) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Read the film.

        Args:
            img: what :meth:`read` gave.

        Returns:
            float32 ``(rows, columns)``, and its metadata as in
            :class:`~monai_memvit.transforms.radiograph.LoadRadiograph`.

        Raises:
            DisplayError: naming the file, the reason and the remedy.
        """
        if "\n" in str(img):
            raise DisplayError(f"{str(img).splitlines()}: several files, a film is one: load them one by one.")
        film = read_film(img, self.window, self.modalities)
        return film.values, film_meta(film, img)


def film_meta(film: Film, path: PathLike) -> dict[str, Any]:
    """Metadata in MONAI's form; the same keys for all films, so that they can be collated.

    Args:
        film: the film.
        path: its file.
    """
    affine = film.spacing.affine
    return {
        "filename_or_obj": str(path),
        MetaKeys.AFFINE: affine,
        MetaKeys.ORIGINAL_AFFINE: affine.copy(),
        MetaKeys.SPATIAL_SHAPE: np.asarray(film.values.shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
        "spacing_kind": film.spacing.kind,
        "patient_orientation": film.attributes["PatientOrientation"],
        "attributes": dict(film.attributes),
        "notes": "\n".join(film.notes),
    }
