"""The attributes of the simulated DICOM series: what a scanner would record of each pulse sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .signals import PROTOCOL, AsymmetryMap, InversionRecovery, PulseSequence, SpinEcho, SpoiledGradientEcho

__all__ = ["LOCALIZER", "PRESENTATION", "SERIES", "Series"]


@dataclass(frozen=True)
class Series:
    """One series.

    Args:
        number: SeriesNumber.
        description: SeriesDescription.
        attributes: further attributes by DICOM keyword.
    """

    number: int
    description: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return f"{self.number:04d}_{self.description.replace(' ', '_')}"


_WORDS = {
    "t1": ("SIM T1W FFE", "*fl3d1"),
    "t2": ("SIM T2W TSE", "*tse2d1_15"),
    "flair": ("SIM FLAIR", "*tir2d1_21"),
    "t1gd": ("SIM T1W FFE GD", "*fl3d1"),
    "apt": ("SIM APTw", "*apt3d1"),
}


def _attributes(pulses: PulseSequence) -> dict[str, Any]:
    """Attributes of the MR Image module (PS3.3 C.8.3.1) and of the Contrast/Bolus module (PS3.3 C.7.6.4)."""
    original = ["ORIGINAL", "PRIMARY", "M", "FFE"]
    if isinstance(pulses, SpoiledGradientEcho):
        found: dict[str, Any] = {"ScanningSequence": "GR", "SequenceVariant": "SP", "MRAcquisitionType": "3D"}
        found |= {"ImageType": original, "FlipAngle": pulses.flip_angle}
        agent = {"ContrastBolusAgent": "gadobutrol, simulated", "ContrastBolusRoute": "IV"}
        return found | _times(pulses.tr, pulses.te) | (agent if pulses.contrast_agent else {})
    spin_echo = {"SequenceVariant": "SK", "MRAcquisitionType": "2D", "ImageType": ["ORIGINAL", "PRIMARY", "M", "SE"]}
    if isinstance(pulses, InversionRecovery):
        times = _times(pulses.tr, pulses.te) | {"InversionTime": pulses.ti}
        return spin_echo | times | {"ScanningSequence": ["SE", "IR"]}
    if isinstance(pulses, SpinEcho):
        return spin_echo | _times(pulses.tr, pulses.te) | {"ScanningSequence": "SE"}
    if isinstance(pulses, AsymmetryMap):
        return {
            **_times(pulses.tr, pulses.te),
            "ScanningSequence": "SE",
            "SequenceVariant": ["SK", "MTC"],
            "MRAcquisitionType": "3D",
            "ImageType": ["DERIVED", "PRIMARY", "APTW"],
            "DerivationDescription": "asymmetry of the magnetisation transfer ratio at 3.5 ppm, in percent",
        }
    raise TypeError(f"{type(pulses).__name__} has no DICOM attributes: describe it here")


def _times(tr: float, te: float) -> dict[str, Any]:
    return {"RepetitionTime": tr, "EchoTime": te}


def _series(number: int, sequence: str) -> Series:
    description, name = _WORDS[sequence]
    return Series(number, description, _attributes(PROTOCOL[sequence]) | {"SequenceName": name})


SERIES: Mapping[str, Series] = {sequence: _series(201 + 100 * i, sequence) for i, sequence in enumerate(PROTOCOL)}
LOCALIZER = Series(
    101,
    "SIM Survey",
    _attributes(PROTOCOL["t1"]) | {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SequenceName": "*fl2d1"},
)
PRESENTATION = Series(901, "SIM Presentation")
