from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.syntax import is_big_endian, transfer_syntax


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ((True, True), "1.2.840.10008.1.2"),
        ((False, True), "1.2.840.10008.1.2.1"),
        ((False, False), "1.2.840.10008.1.2.2"),
    ],
)
def test_without_one_it_is_how_pydicom_read_it(encoding: tuple[bool, bool], expected: str) -> None:
    dataset = Dataset()
    dataset.set_original_encoding(*encoding)
    assert transfer_syntax(dataset) == expected
    assert is_big_endian(dataset) == (not encoding[1])


def test_the_stated_one_counts() -> None:
    from pydicom.dataset import FileMetaDataset

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    assert transfer_syntax(dataset) == "1.2.840.10008.1.2.4.90"
    assert transfer_syntax(Dataset()) == "1.2.840.10008.1.2"
