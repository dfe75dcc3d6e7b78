from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.errors import DisplayError
from monai_memvit.transforms.radiograph.tables import read_table

MakeTable = Callable[[int, list[int], int], Dataset]


def item(descriptor: list[int], vr: str, data: Any) -> Dataset:
    made = Dataset()
    made.add_new("LUTDescriptor", "US", descriptor)
    made.add_new("LUTData", vr, data)
    return made


def test_inputs_beyond_the_entries_take_the_nearest(make_table: MakeTable) -> None:
    table = read_table(make_table(10, [5, 7, 9], 12), "VOILUTSequence", False, False)
    given = np.array([-1e300, 0, 9, 10, 11, 12, 13, 1e300])
    assert table.look_up(given).tolist() == [5, 5, 5, 5, 7, 9, 9, 9]
    assert table.largest == 4095


def test_between_entries_the_nearest_counts(make_table: MakeTable) -> None:
    table = read_table(make_table(0, [0, 10, 20], 8), "VOILUTSequence", False, False)
    assert table.look_up(np.array([0.4, 0.5, 0.6, 1.5])).tolist() == [0, 0, 10, 20]


@pytest.mark.parametrize(("signed", "first"), [(True, -200), (False, 65336)])
def test_the_first_input_has_a_sign_where_inputs_have(make_table: MakeTable, signed: bool, first: int) -> None:
    assert read_table(make_table(-200, [1, 2], 8), "VOILUTSequence", signed, False).first == first


def test_no_entries_means_65536() -> None:
    table = read_table(item([0, 0, 16], "OW", np.arange(2**16).astype("<u2").tobytes()), "VOILUTSequence", False, False)
    assert len(table.entries) == 2**16
    assert table.look_up(np.array([40000.0])).tolist() == [40000]


@pytest.mark.parametrize(
    ("vr", "data", "big"),
    [
        ("OW", bytes([1, 2, 3, 0]), False),  # two entries in a word, and the pad
        ("OW", bytes([2, 1, 0, 3]), True),
        ("OW", bytes([1, 0, 2, 0, 3, 0]), False),  # one entry in a word
        ("OW", bytes([0, 1, 0, 2, 0, 3]), True),
        ("US", [1, 2, 3], False),
        ("US", [0x0201, 0x0003], False),
    ],
)
def test_entries_of_8_bits_are_packed_or_not(vr: str, data: Any, big: bool) -> None:
    assert read_table(item([3, 0, 8], vr, data), "VOILUTSequence", False, big).entries.tolist() == [1, 2, 3]


def test_one_entry_is_a_number_not_a_list() -> None:
    assert read_table(item([1, 0, 16], "US", 7), "VOILUTSequence", False, False).entries.tolist() == [7]


def test_entries_above_their_bits_are_the_largest() -> None:
    data = np.array([4000, 5000], "<u2").tobytes()
    assert read_table(item([2, 0, 12], "OW", data), "VOILUTSequence", False, False).entries.tolist() == [4000, 4095]


@pytest.mark.parametrize(
    ("descriptor", "vr", "data", "named"),
    [
        ([4, 0, 16], "OW", b"\1\0\2\0", "has 2 entries, LUTDescriptor promises 4"),
        ([0, 0, 16], "OW", b"\1\0\2\0", "promises 65536"),
        ([2, 0, 16], "OW", b"", "has 0 entries"),
        ([2, 0, 16], "US", [], "has 0 entries"),
        ([2, 0, 7], "OW", b"\1\0\2\0", "7 bits"),
        ([2, 0, 17], "OW", b"\1\0\2\0", "17 bits"),
        ([2, 0], "OW", b"\1\0\2\0", "no three numbers"),
        ([2, 0, 16], "LO", "text", "damaged"),
    ],
)
def test_damaged_tables_are_named(descriptor: list[int], vr: str, data: Any, named: str) -> None:
    with pytest.raises(DisplayError, match=named) as error:
        read_table(item(descriptor, vr, data), "VOILUTSequence", False, False)
    assert "VOILUTSequence" in str(error.value)


def test_a_table_without_descriptor_or_data() -> None:
    with pytest.raises(DisplayError, match="LUTDescriptor"):
        read_table(Dataset(), "ModalityLUTSequence", False, False)
    bare = Dataset()
    bare.LUTDescriptor = [2, 0, 16]
    with pytest.raises(DisplayError, match="has 0 entries"):
        read_table(bare, "ModalityLUTSequence", False, False)
