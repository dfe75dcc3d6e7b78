"""From the images of one DICOM series to volumes, each a candidate for a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..sources.candidates import Candidate
from ..sources.recognise import SeriesAttributes, recognise_series
from .headers import DicomSlice
from .stack import SliceStack, stack_slices

__all__ = ["series_candidates", "split_volumes"]

_SAME_DIRECTION = 1e-3
_SAME_TIME = 0.01  # of the time itself: scanners round, and some tell what was measured slice by slice


def split_volumes(slices: Sequence[DicomSlice]) -> list[list[DicomSlice]]:
    """Split a series by orientation, size, pixel spacing, echo and inversion time (1 %), and image type.

    Args:
        slices: of one series.
    """
    volumes: list[list[DicomSlice]] = []
    for piece in slices:
        home = next((volume for volume in volumes if _belongs(piece, volume[0])), None)
        if home is None:
            volumes.append([piece])
        else:
            home.append(piece)
    return volumes


def _belongs(piece: DicomSlice, first: DicomSlice) -> bool:
    return _same_contrast(piece.attributes, first.attributes) and _same_plane(piece, first)


def _same_contrast(a: SeriesAttributes, b: SeriesAttributes) -> bool:
    times = ((a.echo_time, b.echo_time), (a.inversion_time, b.inversion_time))
    return a.image_type == b.image_type and all(_same_time(*pair) for pair in times)


def _same_time(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and abs(a - b) <= _SAME_TIME * max(abs(a), abs(b)))


def _same_plane(a: DicomSlice, b: DicomSlice) -> bool:
    apart = max(abs(one - other) for one, other in zip(a.spacing, b.spacing))
    return a.shape == b.shape and apart <= 1e-3 * min(b.spacing) and _same_direction(a, b)


def _same_direction(a: DicomSlice, b: DicomSlice) -> bool:
    apart = np.subtract(a.orientation, b.orientation)
    return bool(np.abs(apart).max() <= _SAME_DIRECTION)


def series_candidates(slices: Sequence[DicomSlice], label: str, min_slices: int) -> list[Candidate]:
    """Return one candidate for every volume of a series.

    Args:
        slices: all images of the series.
        label: its number and description.
        min_slices: a volume of fewer is passed over.
    """
    volumes = split_volumes(slices)
    planes = [volume[0] for volume in volumes]
    crossed = any(not _same_direction(plane, planes[0]) for plane in planes)
    labels = [label + _distinction(plane, planes) for plane in planes]
    return [
        _candidate(stack_slices(volume), name, crossed, min_slices, _continued(volume, volumes, labels))
        for volume, name in zip(volumes, labels)
    ]


def _continued(
    volume: Sequence[DicomSlice], volumes: Sequence[Sequence[DicomSlice]], labels: Sequence[str]
) -> tuple[str, ...]:
    """The other volumes that make one whole stack with this one: pieces of what was one."""
    taken = {piece.position for piece in volume}
    pieces = [
        (name, len(other))
        for name, other in zip(labels, volumes)
        if other[0].position not in taken
        and _same_plane(other[0], volume[0])
        and not stack_slices([*volume, *other]).faults
    ]
    return tuple(
        f"its {len(volume)} slices go on in the {count} of {name!r}, which differ in what is told in brackets: one "
        "stack in two pieces. Export the series again, or convert all of it to a NIfTI file"
        for name, count in pieces
    )


def _candidate(stack: SliceStack, label: str, crossed: bool, min_slices: int, continued: tuple[str, ...]) -> Candidate:
    match, why_not = recognise_series(stack.slices[0].attributes)
    if not why_not:
        why_not = _wrong_shape(stack, crossed, min_slices)
    multiframe = stack.slices[0].frame is not None
    files = tuple(dict.fromkeys(piece.path for piece in stack.slices))
    frames = tuple(piece.frame for piece in stack.slices if piece.frame is not None) if multiframe else ()
    return Candidate(label, "dicom", files, match, why_not, (*_faults(stack, files, multiframe), *continued), frames)


def _wrong_shape(stack: SliceStack, crossed: bool, min_slices: int) -> str:
    if crossed:
        return "its images lie in several orientations, as a localizer's do"
    if stack.repeats > 1 and len({piece.instance for piece in stack.slices}) == len(stack.slices) and stack.faults:
        return stack.faults[0]
    if len(stack.slices) < min_slices:
        return f"only {len(stack.slices)} slices, at least {min_slices} are needed (min_slices)"
    return ""


def _faults(stack: SliceStack, files: Sequence[object], multiframe: bool) -> tuple[str, ...]:
    if multiframe and len(files) > 1:
        return (*stack.faults, f"spread over {len(files)} multi-frame files: one is needed")
    return stack.faults


def _distinction(piece: DicomSlice, others: Sequence[DicomSlice]) -> str:
    """What tells a volume from the others of its series, for its label."""
    if len(others) == 1:
        return ""
    mine = _features(piece)
    theirs = [_features(other) for other in others]
    telling = [text for i, text in enumerate(mine) if any(other[i] != text for other in theirs)]
    return f" [{', '.join(text for text in telling if text)}]"


def _features(piece: DicomSlice) -> tuple[str, ...]:
    attributes = piece.attributes
    return (
        f"TE {attributes.echo_time:g} ms" if attributes.echo_time is not None else "",
        f"TI {attributes.inversion_time:g} ms" if attributes.inversion_time is not None else "",
        "\\".join(attributes.image_type),
        f"{piece.shape[1]}x{piece.shape[0]}",
        "orientation " + " ".join(f"{cosine:.2f}" for cosine in piece.orientation),
    )
