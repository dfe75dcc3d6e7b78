"""The frames of an enhanced (PS3.3 A.36) or legacy converted multi-frame MR image, each as one slice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..sources.recognise import SeriesAttributes
from .headers import DicomSlice, Plane, first_number, plane_of, series_attributes, words

__all__ = ["FrameGroups", "frames_of"]

# AcquisitionContrast (0008,9209) of PS3.3 C.8.13.3.1 in the words that scanners use in descriptions.
_CONTRASTS = {"FLUID_ATTENUATED": "FLAIR", "UNKNOWN": "", "MIXED": ""}
_ECHOES = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}


class FrameGroups:
    """Looks attributes up in the functional groups: those of the frame, then those that all frames share.

    Args:
        header: pydicom's data set of an enhanced image.
    """

    def __init__(self, header: Any) -> None:
        self._shared: Any = next(iter(header.get("SharedFunctionalGroupsSequence", None) or ()), {})
        self._frames = list(header.PerFrameFunctionalGroupsSequence)

    def __len__(self) -> int:
        return len(self._frames)

    def get(self, frame: int, group: str, name: str) -> Any:
        """Return an attribute of one frame, or None.

        Args:
            frame: number of the frame from 0.
            group: keyword of the functional group's sequence.
            name: keyword of the attribute.
        """
        for groups in (self._frames[frame], self._shared):
            found = next(iter(groups.get(group) or ()), None)
            if found is not None and found.get(name) is not None:
                return found.get(name)
        return None

    def converted(self, frame: int, name: str) -> Any:
        """Return an attribute that a legacy conversion found no functional group for (Supplement 157), or None.

        Args:
            frame: number of the frame from 0.
            name: keyword of the attribute, as in a classic image.
        """
        found = self.get(frame, "UnassignedPerFrameConvertedAttributesSequence", name)
        return self.get(frame, "UnassignedSharedConvertedAttributesSequence", name) if found is None else found


def frames_of(header: Any, path: Path) -> tuple[DicomSlice, ...]:
    """Return the frames as slices.

    Args:
        header: pydicom's data set.
        path: its file.

    Raises:
        ValueError: where a frame has no place in space, or the number of frames is wrong.
    """
    groups = FrameGroups(header)
    if len(groups) != int(header.get("NumberOfFrames", 1)):
        raise ValueError(f"NumberOfFrames is {header.get('NumberOfFrames')}, but {len(groups)} frames are described")
    common = series_attributes(header)
    common = replace(common, scanning=common.scanning or _scanning(header), agent=common.agent or _agent(header))
    shape, instance = (int(header.Rows), int(header.Columns)), str(header.get("SOPInstanceUID", ""))
    return tuple(
        DicomSlice(path, i, f"{instance} frame {i + 1}", *_plane(groups, i), shape, _attributes(groups, i, common))
        for i in range(len(groups))
    )


def _plane(groups: FrameGroups, frame: int) -> Plane:
    return plane_of(
        groups.get(frame, "PlanePositionSequence", "ImagePositionPatient"),
        groups.get(frame, "PlaneOrientationSequence", "ImageOrientationPatient"),
        groups.get(frame, "PixelMeasuresSequence", "PixelSpacing"),
    )


def _attributes(groups: FrameGroups, frame: int, common: SeriesAttributes) -> SeriesAttributes:
    contrast = str(groups.get(frame, "MRImageFrameTypeSequence", "AcquisitionContrast") or "")
    return replace(
        common,
        sequence_name=f"{common.sequence_name} {_CONTRASTS.get(contrast, contrast)}".strip(),
        image_type=_image_type(groups, frame, common),
        scanning=common.scanning or words(groups.converted(frame, "ScanningSequence")),
        variant=common.variant or words(groups.converted(frame, "SequenceVariant")),
        agent=common.agent or str(groups.converted(frame, "ContrastBolusAgent") or ""),
        repetition_time=_time(
            groups, frame, "MRTimingAndRelatedParametersSequence", "RepetitionTime", "RepetitionTime"
        ),
        echo_time=_time(groups, frame, "MREchoSequence", "EffectiveEchoTime", "EchoTime"),
        inversion_time=_time(groups, frame, "MRModifierSequence", "InversionTimes", "InversionTime"),
    )


def _image_type(groups: FrameGroups, frame: int, common: SeriesAttributes) -> tuple[str, ...]:
    """FrameType; the complex component (magnitude, phase, real, imaginary) is an attribute of its own."""
    kind = words(groups.get(frame, "MRImageFrameTypeSequence", "FrameType")) or common.image_type
    component = str(groups.get(frame, "MRImageFrameTypeSequence", "ComplexImageComponent") or "")
    return (*kind, component) if component not in ("", "MAGNITUDE", "MIXED") else kind


def _time(groups: FrameGroups, frame: int, group: str, name: str, classic: str) -> float | None:
    """A time in ms from its functional group, or under its classic name from what a conversion left unassigned."""
    found = first_number(groups.get(frame, group, name))
    return first_number(groups.converted(frame, classic)) if found is None else found


def _scanning(header: Any) -> tuple[str, ...]:
    echoes = _ECHOES.get(str(header.get("EchoPulseSequence", "")), ())
    return (*echoes, "EP") if header.get("EchoPlanarPulseSequence") == "YES" else echoes


def _agent(header: Any) -> str:
    agent: Any = next(iter(header.get("ContrastBolusAgentSequence", None) or ()), {})
    return str(agent.get("CodeMeaning", "") or agent.get("ContrastBolusAgent", "") or "")
