"""From a DICOM film to what a display shows: stored, modality, values of interest, presentation (PS3.3 C.11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .attributes import allowed_attributes
from .elements import text
from .layout import PixelLayout, layout_of
from .modality import modality_values
from .observations import observations
from .pixels import stored_words
from .presentation import is_inverted, padding_values
from .quiet import quiet
from .refusals import refuse_what_is_not_grey
from .spacing import FilmSpacing, spacing_of
from .voi import voi_values

__all__ = ["Film", "display_values", "film_of"]

_CHUNK = 2**15  # pixels whose 64-bit places stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Film:
    """A film and what is known of it.

    Args:
        values: float32 ``(rows, columns)`` in [0, 1]: 0 black, 1 white, the full output range of the standard.
        padding: bool ``(rows, columns)``, True where there is no image (black in ``values``), or None.
        spacing: mm a pixel.
        attributes: keyword -> text, see ``ALLOWED_ATTRIBUTES``.
        notes: what was unusual, and how it was settled.
        sop_instance: SOPInstanceUID, empty for picture files. It leads to the patient in any archive: keep it local.
            It is not in ``repr``.
    """

    values: NDArray[np.float32]
    padding: NDArray[np.bool_] | None
    spacing: FilmSpacing
    attributes: dict[str, str]
    notes: tuple[str, ...]
    sop_instance: str = field(default="", repr=False)


def display_values(dataset: Any, window: int | str = 0) -> NDArray[np.float32]:
    """Return what a display shows of a DICOM film.

    Args:
        dataset: a ``pydicom.Dataset`` of one grey frame, of any modality.
        window: see :class:`~monai_memvit.transforms.radiograph.RadiographReader`.

    Returns:
        float32 ``(rows, columns)`` in [0, 1]: 0 black, 1 white, the full output range of the standard.

    Raises:
        DisplayError: where the data set has no such frame, or is damaged.
    """
    return film_of(dataset, window).values


def film_of(dataset: Any, window: int | str = 0) -> Film:
    """Return a DICOM film with what is known of it.

    Every step works on one value for each pattern of the stored bits, in float64. The pixels then go once through the
    composed table, which has an entry for each word.

    Args:
        dataset: a ``pydicom.Dataset`` of one grey frame, of any modality.
        window: see :class:`~monai_memvit.transforms.radiograph.RadiographReader`.

    Raises:
        DisplayError: where the data set has no such frame, or is damaged.
    """
    with quiet():
        refuse_what_is_not_grey(dataset)
        layout = layout_of(dataset)
        notes: list[str] = observations(dataset)
        padding = padding_values(dataset, layout)
        table = _display_table(dataset, layout, padding, window, notes)
        spacing = spacing_of(dataset, notes)
        words = stored_words(dataset, layout)
        return Film(
            values=_look_up(layout.by_word(table), words),
            padding=None if padding is None else _look_up(layout.by_word(padding), words),
            spacing=spacing,
            attributes=allowed_attributes(dataset),
            notes=tuple(notes),
            sop_instance=text(dataset, "SOPInstanceUID"),
        )


def _display_table(
    dataset: Any, layout: PixelLayout, padding: NDArray[np.bool_] | None, window: int | str, notes: list[str]
) -> NDArray[np.float32]:
    modality = modality_values(dataset, layout, notes)
    shown = voi_values(dataset, modality, window, notes)
    if is_inverted(dataset, notes):
        shown = 1.0 - shown
    if padding is not None:
        notes.append("padding is shown black")
        shown = np.where(padding, 0.0, shown)
    return shown.astype(np.float32)


def _look_up(table: NDArray[Any], words: NDArray[Any]) -> NDArray[Any]:
    """``table[words]``, in chunks: NumPy widens words to 64-bit places, and eight times the film is slow to touch."""
    flat = words.reshape(-1)
    found = np.empty(flat.shape, table.dtype)
    for start in range(0, flat.size, _CHUNK):
        # clip: without it take() cannot write to `out` directly; every word is in the table
        np.take(table, flat[start : start + _CHUNK], out=found[start : start + _CHUNK], mode="clip")
    return found.reshape(words.shape)
