"""What highdicom shows of a film, and where that is known to depart from the standard, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from monai.utils import optional_import

from ...data.simulate.radiographs.expected import modality_range, stored_values

highdicom, HAS_HIGHDICOM = optional_import("highdicom", descriptor="comparing with highdicom: pip install highdicom")

_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"

__all__ = ["DEPARTURES", "HAS_HIGHDICOM", "departures", "highdicom_display"]


def highdicom_display(dataset: Any) -> np.ndarray:
    """What highdicom's pixel transforms give, on the scale of [0, 1].

    Without values of interest highdicom gives the output of the modality transform, and of a table behind a table its
    entries: their full range becomes [0, 1].

    Args:
        dataset: a ``pydicom.Dataset``.

    Returns:
        float64 ``(rows, columns)``.

    Raises:
        Exception: whatever highdicom raises.
    """
    image = highdicom.Image.from_dataset(dataset, copy=True)
    frame = image.get_frame(
        1,
        dtype=np.float64,
        apply_real_world_transform=False,
        apply_modality_transform=None,
        apply_voi_transform=None,
        apply_presentation_lut=True,
    )
    if _has_voi_table(dataset) and dataset.get("ModalityLUTSequence"):
        return frame / (2.0 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1.0)
    if _has_voi_table(dataset) or dataset.get("WindowCenter") is not None:
        return frame
    low, high = modality_range(dataset)
    return (frame - low) / (high - low)


def departures(dataset: Any) -> list[str]:
    """Names of the known departures that concern a film.

    Args:
        dataset: a ``pydicom.Dataset``.

    Returns:
        keys of ``DEPARTURES``, of which each may make highdicom's values differ, or make it refuse the film.
    """
    return [name for name, (concerns, _) in DEPARTURES.items() if concerns(dataset)]


def _has_voi_table(dataset: Any) -> bool:
    return bool(dataset.get("VOILUTSequence"))


def _has_linear_window(dataset: Any) -> bool:
    shown = dataset.get("WindowCenter") is not None and not _has_voi_table(dataset)
    return shown and (dataset.get("VOILUTFunction") or "LINEAR") == "LINEAR"


def _slope(dataset: Any) -> float:
    return 1.0 if dataset.get("ModalityLUTSequence") else float(dataset.get("RescaleSlope") or 1.0)


def _tables(dataset: Any) -> list[Any]:
    return [item for name in ("ModalityLUTSequence", "VOILUTSequence") for item in (dataset.get(name) or [])[:1]]


def _inverted(dataset: Any) -> bool:
    return dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"


def _any_table(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda dataset: any(test(item) for item in _tables(dataset))


def _leaves_out_an_end(item: Any) -> bool:
    bits = int(item.LUTDescriptor[2])
    entries = (
        np.frombuffer(item.LUTData, np.uint8 if bits == 8 else "<u2")
        if isinstance(item.LUTData, bytes)
        else item.LUTData
    )
    return int(np.min(entries)) > 0 or int(np.max(entries)) < 2**bits - 1


def _in_words(item: Any) -> bool:
    count = int(item.LUTDescriptor[0]) % 2**16 or 2**16
    return int(item.LUTDescriptor[2]) == 8 and isinstance(item.LUTData, bytes) and len(item.LUTData) >= 2 * count


def _is_misread_in_implicit_vr(dataset: Any) -> bool:
    """In implicit VR pydicom takes the sign of the descriptor from the pixels, and for all of its three values."""
    if dataset.file_meta.TransferSyntaxUID != _IMPLICIT or not _tables(dataset):
        return False
    signs_differ = _has_voi_table(dataset) and (modality_range(dataset)[0] < 0) != bool(dataset.PixelRepresentation)
    return signs_differ or any(int(item.LUTDescriptor[0]) < 0 for item in _tables(dataset))


def _wraps(dataset: Any) -> bool:
    """Where first value and pixels are further apart than 16 signed bits reach."""
    firsts = [int(item.LUTDescriptor[1]) for item in _tables(dataset)[:1]]
    return bool(dataset.PixelRepresentation) and any(2 ** (dataset.BitsStored - 1) - first > 2**15 for first in firsts)


def _has_strange_bits(dataset: Any) -> bool:
    if dataset.file_meta.TransferSyntaxUID.is_compressed or dataset.BitsStored == dataset.BitsAllocated:
        return False
    cells = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
    values = stored_values(cells, dataset.BitsStored, dataset.HighBit, bool(dataset.PixelRepresentation))
    return bool(np.any(values & (2**dataset.BitsAllocated - 1) != cells))


def _is_big_endian(dataset: Any) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID == _BIG_ENDIAN)


def _has_linear_behind_a_slope(dataset: Any) -> bool:
    return _has_linear_window(dataset) and _slope(dataset) != 1.0


def _is_white_with_identity(dataset: Any) -> bool:
    return dataset.PhotometricInterpretation == "MONOCHROME1" and dataset.get("PresentationLUTShape") == "IDENTITY"


def _has_voi_table_behind_a_slope(dataset: Any) -> bool:
    return _has_voi_table(dataset) and _slope(dataset) != 1.0


def _has_two_tables_inverted(dataset: Any) -> bool:
    return len(_tables(dataset)) == 2 and _inverted(dataset)


# name -> whether it concerns a film, and what highdicom 0.28 does there; what makes it refuse a film comes first
DEPARTURES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "big endian": (_is_big_endian, "refuses the transfer syntax, which is retired"),
    "table of other than 8 or 16 bits": (
        _any_table(lambda item: int(item.LUTDescriptor[2]) not in (8, 16)),
        "refuses the table",
    ),
    "table of 65536 entries": (
        _any_table(lambda item: int(item.LUTDescriptor[0]) % 2**16 == 0),
        "refuses the table, whose descriptor says 0",
    ),
    "table of 8 bits in words": (_any_table(_in_words), "refuses the table"),
    "table in implicit VR": (
        _is_misread_in_implicit_vr,
        "takes the pixels' sign for that of the first value, or of the number of entries",
    ),
    "bits above the high bit": (_has_strange_bits, "takes them for a part of the value"),
    "LINEAR window, slope not 1": (
        _has_linear_behind_a_slope,
        "divides width and centre by the slope first, then takes 1 from the width and 0.5 from the centre",
    ),
    "MONOCHROME1 with IDENTITY": (_is_white_with_identity, "lets the shape decide and shows the least value as black"),
    "VOI table behind a slope": (
        _has_voi_table_behind_a_slope,
        "takes every slope-th entry, or refuses the film",
    ),
    "VOI table behind a modality table, inverted": (_has_two_tables_inverted, "does not invert"),
    "table with signed 16-bit pixels": (_wraps, "subtracts the first value in 16 bits, which wraps round"),
    "table that leaves out an end of its range": (
        _any_table(_leaves_out_an_end),
        "stretches it, or turns it over, between its own least and greatest entry",
    ),
}
