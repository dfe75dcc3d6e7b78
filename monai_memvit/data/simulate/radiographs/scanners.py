"""Simulated X-ray systems: how each turns attenuation into grey, and writes it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PORTABLE", "SCANNERS", "Scanner"]


@dataclass(frozen=True)
class Scanner:
    """One model of X-ray system.

    Args:
        model: ManufacturerModelName; the makers do not exist.
        modality: CR or DX.
        field_mm: rows and columns of its film in mm.
        contrast: middle and width of its curve from attenuation to grey.
        noise: standard deviation at a pixel of 0.4 mm behind no body.
        blur_mm: standard deviation of its unsharpness.
        photometric: PhotometricInterpretation.
        shape: PresentationLUTShape, or None.
        bits: stored, in two bytes, or in one where they are 8.
        voi: how it says what to show: none, linear, two, sigmoid or table.
        spacing: attribute that holds the pixel spacing: PixelSpacing, ImagerPixelSpacing, or both.
        border_mm: largest width of its black border.
    """

    model: str
    modality: str
    field_mm: tuple[float, float]
    contrast: tuple[float, float]
    noise: float
    blur_mm: float
    photometric: str
    shape: str | None
    bits: int
    voi: str
    spacing: str
    border_mm: float = 0.0


PORTABLE = Scanner(
    "SIM Portable 3",
    "CR",
    (350.0, 430.0),
    (2.3, 0.95),
    0.012,
    0.45,
    "MONOCHROME1",
    None,
    10,
    "two",
    "PixelSpacing",
    18.0,
)
SCANNERS = (
    Scanner(
        "SIM Room 1", "DX", (430.0, 430.0), (2.1, 0.7), 0.006, 0.2, "MONOCHROME2", "IDENTITY", 12, "linear",
        "ImagerPixelSpacing",
    ),
    Scanner(
        "SIM Room 2", "DX", (430.0, 350.0), (2.0, 0.8), 0.007, 0.25, "MONOCHROME1", "INVERSE", 14, "table", "both"
    ),
    Scanner(
        "SIM Cassette 7", "CR", (430.0, 350.0), (2.2, 0.85), 0.009, 0.4, "MONOCHROME2", None, 16, "sigmoid",
        "ImagerPixelSpacing", 8.0,
    ),
    Scanner(
        "SIM Archive 8", "CR", (430.0, 350.0), (2.1, 0.75), 0.009, 0.35, "MONOCHROME2", None, 8, "none", "PixelSpacing"
    ),
    PORTABLE,
)  # fmt: skip
