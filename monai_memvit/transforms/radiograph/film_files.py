"""A film from any file that may hold one, or the one error that says why not."""

from __future__ import annotations

from collections.abc import Collection
from os import PathLike
from pathlib import Path

from .dicom_files import read_dicom
from .display import Film, film_of
from .errors import DisplayError
from .picture_files import is_picture, read_picture
from .quiet import quiet
from .refusals import RADIOGRAPH_MODALITIES, refuse_other_modalities

__all__ = ["check_window", "read_film"]


def read_film(
    path: str | PathLike[str],
    window: int | str = 0,
    modalities: str | Collection[str] | None = RADIOGRAPH_MODALITIES,
) -> Film:
    """Read a film: DICOM with or without preamble, PNG or JPEG, told apart by their bytes.

    Args:
        path: the file.
        window: see :class:`~monai_memvit.transforms.radiograph.RadiographReader`; of no effect on PNG and JPEG.
        modalities: DICOM modality or modalities to take; None takes all.

    Raises:
        DisplayError: naming the file, the reason and the remedy; nothing else leaves for a bad file.
    """
    check_window(window)
    file = Path(path)
    try:
        with quiet():
            return _read(file, window, modalities)
    except ImportError:
        raise
    except DisplayError as error:
        raise DisplayError(f"{file}: {error}") from None
    except FileNotFoundError:
        raise DisplayError(f"{file}: it does not exist: correct the list of films") from None
    except MemoryError:
        raise DisplayError(f"{file}: there is not enough memory for it: read fewer films at a time") from None
    except Exception as error:  # damaged bytes make the libraries raise whatever they hit first
        if isinstance(error, OSError) and error.strerror:  # Pillow's own have none
            raise DisplayError(f"{file}: it cannot be read ({error.strerror}): check permissions and disk") from None
        cause = type(error).__name__  # not its text: that may cite any element
        raise DisplayError(f"{file}: it is cut off or damaged ({cause}): export it again, or leave it out") from None


def check_window(window: int | str) -> None:
    """Check a choice before any film is read.

    Args:
        window: see :class:`~monai_memvit.transforms.radiograph.RadiographReader`.

    Raises:
        ValueError: where it is neither a number from 0 nor a text.
    """
    if isinstance(window, bool) or not (isinstance(window, int) and window >= 0 or isinstance(window, str) and window):
        raise ValueError(f"window={window!r} is neither a number from 0 nor a text, such as 'lut' or an explanation.")


def _read(file: Path, window: int | str, modalities: str | Collection[str] | None) -> Film:
    if file.is_dir():
        raise DisplayError("it is a folder: give one file a film")
    if is_picture(file):
        return read_picture(file)
    dataset = read_dicom(file)
    refuse_other_modalities(dataset, modalities)
    return film_of(dataset, window)
