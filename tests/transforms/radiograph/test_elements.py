from __future__ import annotations

import math
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from monai_memvit.transforms.radiograph.elements import decimals, items, text, texts, value_of, whole
from monai_memvit.transforms.radiograph.errors import DisplayError


def raw(keyword: str, vr: str | None, value: bytes) -> Dataset:
    """A data set as read from a file: its element is not yet converted."""
    dataset = Dataset()
    element = RawDataElement(Tag(keyword), vr, len(value), value, 0, vr is None, True)
    dataset._dict[Tag(keyword)] = element
    return dataset


@pytest.mark.parametrize("vr", ["DS", None])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"40\\100 ", (40.0, 100.0)),
        (b"0.000\\0.000", (0.0, 0.0)),
        (b" 1e3 \0", (1000.0,)),
        (b"", ()),
        (b"  ", ()),
        (b"\\", ()),
    ],
)
def test_decimal_strings_are_read_from_their_bytes(vr: str | None, value: bytes, expected: tuple[float, ...]) -> None:
    assert decimals(raw("WindowCenter", vr, value), "WindowCenter") == expected


@pytest.mark.parametrize("value", [b"4,5", b"abc", b"\xff\xfe", b"1.2.3"])
def test_a_decimal_string_of_bad_form_is_nan_and_warns_of_nothing(
    value: bytes, recwarn: pytest.WarningsRecorder
) -> None:
    first, second = decimals(raw("WindowCenter", "DS", value + b"\\7"), "WindowCenter")
    assert math.isnan(first)
    assert second == 7
    assert not recwarn


def test_decimals_of_a_data_set_made_in_memory() -> None:
    dataset = Dataset()
    dataset.WindowCenter = [1.5, 2]
    dataset.WindowWidth = "3"
    assert decimals(dataset, "WindowCenter") == (1.5, 2.0)
    assert decimals(dataset, "WindowWidth") == (3.0,)
    assert decimals(dataset, "RescaleSlope") == ()


def test_whole_numbers() -> None:
    dataset = Dataset()
    dataset.Rows, dataset.NumberOfFrames, dataset.Columns = 7, "3", None
    assert whole(dataset, "Rows") == 7
    assert whole(dataset, "NumberOfFrames") == 3
    assert whole(dataset, "Columns") is None
    assert whole(dataset, "BitsStored") is None


@pytest.mark.parametrize(("vr", "value"), [("US", b"\1\0\2\0"), ("FD", b"\0\0\0\0\0\0\x04@"), ("LO", b"abc ")])
def test_what_is_no_whole_number_is_named(vr: str, value: bytes) -> None:
    with pytest.raises(DisplayError, match="Rows"):
        whole(raw("Rows", vr, value), "Rows")


def test_a_value_that_cannot_be_converted_is_named() -> None:
    with pytest.raises(DisplayError, match="Rows cannot be read"):
        value_of(raw("Rows", "US", b"\1"), "Rows")


def test_texts() -> None:
    dataset = raw("PatientOrientation", "CS", b"L\\F ")
    assert texts(dataset, "PatientOrientation") == ("L", "F")
    assert text(dataset, "PatientOrientation") == "L\\F"
    assert text(dataset, "ViewPosition") == ""


def test_items_are_data_sets_or_an_error() -> None:
    dataset = Dataset()
    dataset.VOILUTSequence = [Dataset()]
    assert items(dataset, "VOILUTSequence") == [Dataset()]
    assert items(dataset, "ModalityLUTSequence") == []
    with pytest.raises(DisplayError, match="VOILUTSequence"):
        items(raw("VOILUTSequence", "LO", b"text"), "VOILUTSequence")


def test_reading_leaves_pydicoms_settings_alone() -> None:
    import pydicom.config

    before = pydicom.config.settings.reading_validation_mode
    decimals(raw("WindowCenter", "DS", b"x"), "WindowCenter")
    assert pydicom.config.settings.reading_validation_mode == before
    assert dcmread(BytesIO(b"\0" * 128 + b"DICM"), force=True) is not None
