"""The independent evaluation of PS3.3 C.11, against figures worked out by hand and against pydicom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monai_memvit.data.simulate.radiographs.expected import (
    expected_display,
    modality_range,
    padding_mask,
    stored_values,
)

pydicom = pytest.importorskip("pydicom")


def dataset(bits: int = 12, signed: int = 0, **attributes: Any) -> Any:
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    data.PhotometricInterpretation, data.BitsStored, data.PixelRepresentation = "MONOCHROME2", bits, signed
    for name, value in attributes.items():
        setattr(data, name, value)
    return data


def table(first: int, entries: list[int], bits: int, packed: bool = False, vr: str = "US") -> Any:
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", vr, [len(entries) % 2**16, first, bits])
    content = np.array(entries, np.uint8 if packed else "<u2").tobytes()
    item.add_new("LUTData", "OW", content + b"\0" * (len(content) % 2))
    return [item]


def shown(data: Any, *stored: int) -> list[float]:
    return expected_display(data, np.array([stored]))[0].tolist()


def test_without_anything_the_whole_range_of_the_stored_bits_is_shown() -> None:
    assert shown(dataset(8), 0, 51, 255) == [0.0, 0.2, 1.0]
    assert shown(dataset(12, 1), -2048, 2047) == [0.0, 1.0]


def test_a_rescale_does_not_change_what_is_shown_without_a_window_unless_it_falls() -> None:
    assert shown(dataset(8, RescaleSlope=2.5, RescaleIntercept=-300.25), 0, 51, 255) == [0.0, 0.2, 1.0]
    assert shown(dataset(8, RescaleSlope=-1, RescaleIntercept=7), 0, 51, 255) == [1.0, 0.8, 0.0]
    assert modality_range(dataset(8, RescaleSlope=-2, RescaleIntercept=7)) == (-503.0, 7.0)


def test_linear_is_the_formula_of_the_standard() -> None:
    # The note in C.11.2.1.2.1: c = 2048, w = 4096 is the identity of 12 bits, 0 to 4095.
    assert shown(dataset(WindowCenter=2048, WindowWidth=4096), 0, 819, 4095) == pytest.approx(
        [0.0, 0.2, 1.0], abs=1e-12
    )
    # c = 100, w = 101: from 49.5 to 149.5.
    found = shown(dataset(WindowCenter=100, WindowWidth=101), 49, 50, 99, 100, 149, 150)
    assert found == pytest.approx([0.0, 0.005, 0.495, 0.505, 0.995, 1.0], abs=1e-12)
    assert shown(dataset(WindowCenter=100, WindowWidth=1), 99, 100) == [0.0, 1.0]


def test_linear_exact_and_sigmoid() -> None:
    exact = dataset(WindowCenter=100, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    assert shown(exact, 50, 75, 100, 150, 151) == [0.0, 0.25, 0.5, 1.0, 1.0]
    sigmoid = dataset(WindowCenter=100, WindowWidth=100, VOILUTFunction="SIGMOID")
    assert shown(sigmoid, 100, 125) == pytest.approx([0.5, 1 / (1 + np.exp(-1.0))], abs=1e-15)
    narrow = dataset(WindowCenter=2000, WindowWidth=1, VOILUTFunction="SIGMOID")
    assert shown(narrow, 0, 4095) == [0.0, 1.0]


def test_a_window_is_applied_behind_the_rescale_and_can_be_chosen() -> None:
    data = dataset(
        WindowCenter=[0, 100],
        WindowWidth=[100, 100],
        VOILUTFunction="LINEAR_EXACT",
        RescaleSlope=2,
        RescaleIntercept=-50,
    )
    assert shown(data, 25) == [0.5]
    assert expected_display(data, np.array([[75]]), window=1).item() == 0.5


def test_what_a_table_leaves_out_takes_its_first_and_last_entry() -> None:
    data = dataset(VOILUTSequence=table(10, [1000, 2000, 4095], 12))
    assert shown(data, 0, 10, 11, 12, 4095) == pytest.approx([1000 / 4095, 1000 / 4095, 2000 / 4095, 1.0, 1.0])


def test_a_table_wins_over_a_window() -> None:
    data = dataset(VOILUTSequence=table(0, [0, 255], 8, packed=True), WindowCenter=5, WindowWidth=100)
    assert shown(data, 0, 1) == [0.0, 1.0]


@pytest.mark.parametrize("packed", [True, False])
def test_entries_of_8_bits_are_packed_or_not(packed: bool) -> None:
    data = dataset(8, VOILUTSequence=table(0, [0, 51, 255], 8, packed))
    assert shown(data, 0, 1, 2) == [0.0, 0.2, 1.0]


def test_the_first_value_is_signed_where_the_tables_input_is() -> None:
    minus_two = 2**16 - 2
    behind_pixels = dataset(12, 1, VOILUTSequence=table(minus_two, [0, 255, 0, 0, 0], 8))
    assert shown(behind_pixels, -2, -1, 0) == [0.0, 1.0, 0.0]
    behind_rescale = dataset(12, 0, RescaleIntercept=-1024, VOILUTSequence=table(minus_two, [0, 255, 0], 8))
    assert shown(behind_rescale, 1022, 1023, 1024) == [0.0, 1.0, 0.0]
    unsigned = dataset(16, 0, VOILUTSequence=table(minus_two, [0, 255], 8))
    assert shown(unsigned, 2**16 - 2, 2**16 - 1) == [0.0, 1.0]


def test_a_modality_table_has_the_range_of_its_bits() -> None:
    data = dataset(8, ModalityLUTSequence=table(0, [6553, 13107, 65535], 16))
    assert shown(data, 0, 1, 2, 9) == pytest.approx([6553 / 65535, 13107 / 65535, 1.0, 1.0])
    data.VOILUTSequence = table(6553, [0, 255], 8)
    assert shown(data, 0, 1) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_polarity_comes_last(photometric: str, shape: str | None, inverted: bool) -> None:
    data = dataset(8, WindowCenter=128, WindowWidth=256, PhotometricInterpretation=photometric)
    if shape:
        data.PresentationLUTShape = shape
    assert shown(data, 51) == pytest.approx([0.8 if inverted else 0.2], abs=1e-12)


def test_padding_is_black_whatever_the_polarity() -> None:
    data = dataset(8, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    assert shown(data, 0, 1, 255) == pytest.approx([0.0, 254 / 255, 0.0])
    data.PixelPaddingRangeLimit = 9
    assert shown(data, 0, 9, 10) == pytest.approx([0.0, 0.0, 245 / 255])
    data.PixelPaddingValue, data.PixelPaddingRangeLimit = 9, 0
    assert padding_mask(data, np.array([0, 9, 10])).tolist() == [True, True, False]
    signed = dataset(12, 1, PixelPaddingValue=2**16 - 2048)  # as implicit VR leaves it
    assert shown(signed, -2048, 2047) == [0.0, 1.0]


def test_stored_values_are_cut_out_of_the_cells() -> None:
    cells = np.array([0xF123, 0x0FFF, 0x0800], np.uint16)
    assert stored_values(cells, 12, 11, signed=False).tolist() == [0x123, 0xFFF, 0x800]
    assert stored_values(cells, 12, 11, signed=True).tolist() == [0x123, -1, -2048]
    assert stored_values(cells, 12, 15, signed=False).tolist() == [0xF12, 0x0FF, 0x080]


def test_big_endian_tables() -> None:
    data = dataset(8, VOILUTSequence=table(0, [0, 51, 255, 0], 8, packed=True))
    data.VOILUTSequence[0].LUTData = bytes([51, 0, 0, 255])
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
    assert shown(data, 0, 1, 2) == [0.0, 0.2, 1.0]
    data.VOILUTSequence = table(0, [0, 65535], 16)
    data.VOILUTSequence[0].LUTData = np.array([0, 13107], ">u2").tobytes()
    assert shown(data, 1) == [0.2]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(function: str) -> None:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    data = dataset(WindowCenter=1800.5, WindowWidth=2500, VOILUTFunction=function)
    data.RescaleSlope, data.RescaleIntercept, data.BitsAllocated = 1.5, -200, 16
    stored = np.arange(4096)[None]
    low, high = modality_range(data)
    theirs = (apply_voi_lut(apply_modality_lut(stored, data), data) - low) / (high - low)
    np.testing.assert_allclose(expected_display(data, stored), theirs, atol=1e-12)
