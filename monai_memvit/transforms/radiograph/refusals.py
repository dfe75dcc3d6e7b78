"""Why a film is not read: the limits, and what is no single grey radiograph."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from monai.utils import ensure_tuple

from .elements import text, whole
from .errors import DisplayError, as_code
from .syntax import name_of

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "RADIOGRAPH_MODALITIES",
    "refuse_other_modalities",
    "refuse_what_is_not_grey",
]

MAX_PIXELS = 100_000_000  # a film of the whole spine or leg has 30 million
MAX_BYTES = 2**29
RADIOGRAPH_MODALITIES = ("CR", "DX", "RG")
_IMAGES = "1.2.840.10008.5.1.4.1.1."
# SOP class -> the modality that it implies; of secondary captures (RSNA, CheXpert) the attribute alone tells it.
_RADIOGRAPHS = {
    f"{_IMAGES}1": "CR",
    f"{_IMAGES}1.1": "DX",
    f"{_IMAGES}1.1.1": "DX",
    f"{_IMAGES}1.2": "MG",
    f"{_IMAGES}1.2.1": "MG",
    f"{_IMAGES}1.3": "IO",
    f"{_IMAGES}1.3.1": "IO",
    f"{_IMAGES}7": "",
    f"{_IMAGES}7.2": "",
    f"{_IMAGES}7.3": "",
    f"{_IMAGES}12.1": "XA",
    f"{_IMAGES}12.2": "RF",
}


def refuse_other_modalities(dataset: Any, modalities: str | Collection[str] | None) -> None:
    """Take radiographs only.

    Args:
        dataset: pydicom's data set.
        modalities: value or values of Modality to take; None takes every modality and SOP class.

    Raises:
        DisplayError: naming modality and SOP class.
    """
    if modalities is None:
        return
    sop_class = text(dataset, "SOPClassUID")
    if sop_class.startswith("1.2.840.10008.") and sop_class not in _RADIOGRAPHS:
        raise DisplayError(f"it is no radiograph but {name_of(sop_class)}: leave it out")
    modality = text(dataset, "Modality").upper() or _RADIOGRAPHS.get(sop_class, "")
    if modality not in (taken := ensure_tuple(modalities)):
        named = f"of modality {as_code(modality)}" if modality else "without Modality"
        raise DisplayError(f"it is an image {named}, taken are {[*taken]}: leave it out, or give modalities=")


def refuse_what_is_not_grey(dataset: Any) -> None:
    """Take one frame of grey whole numbers only.

    Args:
        dataset: pydicom's data set.

    Raises:
        DisplayError: when there are no pixels, they are floats or coloured, or there are several frames.
    """
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise DisplayError("its pixels are floating point numbers, which no film has: leave it out")
    if "PixelData" not in dataset:
        named = name_of(text(dataset, "SOPClassUID")) or "an object without SOP class"
        raise DisplayError(f"it holds no pixels ({named}), or is cut off before them: leave it out, or export it again")
    _refuse_colour(dataset)
    if (frames := whole(dataset, "NumberOfFrames")) not in (None, 1):
        raise DisplayError(f"it has {frames} frames, a film has one: leave it out, or split it")
    if "SharedFunctionalGroupsSequence" in dataset or "PerFrameFunctionalGroupsSequence" in dataset:
        raise DisplayError("it is an enhanced multi-frame object, whose attributes lie elsewhere: convert it to DX")


def _refuse_colour(dataset: Any) -> None:
    photometric = text(dataset, "PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        said = as_code(photometric) or "missing"
        raise DisplayError(f"PhotometricInterpretation is {said}, not MONOCHROME1 or MONOCHROME2: it is no grey film")
    if (samples := whole(dataset, "SamplesPerPixel")) not in (None, 1):
        raise DisplayError(f"SamplesPerPixel is {samples}, a grey film has 1: leave it out, or export it again")
