"""The attributes of a film that are handed on: what it shows and how it was made, never whose it is."""

from __future__ import annotations

from typing import Any

from .elements import text, value_of
from .errors import DisplayError

__all__ = ["ALLOWED_ATTRIBUTES", "allowed_attributes"]

ALLOWED_ATTRIBUTES = (
    *("Modality", "ImageType", "PresentationIntentType", "ConversionType"),
    *("BodyPartExamined", "ViewPosition", "ViewCode", "PatientOrientation", "Laterality", "ImageLaterality"),
    *("Manufacturer", "ManufacturerModelName", "DetectorType", "Grid", "KVP", "Exposure", "ExposureInuAs"),
    *("DistanceSourceToDetector", "DistanceSourceToPatient", "EstimatedRadiographicMagnificationFactor"),
    *("PixelSpacing", "PixelSpacingCalibrationType", "ImagerPixelSpacing", "NominalScannedPixelSpacing"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PhotometricInterpretation", "PresentationLUTShape", "RescaleType"),
    *("PixelIntensityRelationship", "PixelIntensityRelationshipSign", "VOILUTFunction", "WindowCenter", "WindowWidth"),
    *("BurnedInAnnotation", "LossyImageCompression", "ShutterShape", "CollimatorShape"),
)
_LONGEST = 64


def allowed_attributes(dataset: Any | None) -> dict[str, str]:
    """Take the attributes on the list, as the file writes them.

    Args:
        dataset: pydicom's data set, or None for a picture file.

    Returns:
        keyword -> text, of all the list and in its order, so that films can be collated. It is empty where absent,
        unreadable, or with control characters in it: a wrong length lets one element run on into the next ones.
        ``ViewCode`` is the meaning of the code in ViewCodeSequence.
    """
    return {keyword: "" if dataset is None else _said(dataset, keyword)[:_LONGEST] for keyword in ALLOWED_ATTRIBUTES}


def _said(dataset: Any, keyword: str) -> str:
    try:
        said = _view_code(dataset) if keyword == "ViewCode" else text(dataset, keyword)
        return said if said.isprintable() else ""
    except DisplayError:
        return ""


def _view_code(dataset: Any) -> str:
    codes = value_of(dataset, "ViewCodeSequence")
    try:
        return text(codes[0], "CodeMeaning") if codes else ""
    except (TypeError, IndexError, AttributeError):
        return ""
