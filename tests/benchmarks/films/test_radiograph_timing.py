"""The timing of the radiographs runs, on a small film; how long it takes is no matter here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_memvit.benchmarks.films.radiograph_timing import measure_times, write_film
from monai_memvit.data.simulate.radiographs.combinations import SYNTAXES

pydicom = pytest.importorskip("pydicom")
for _package in ("gdcm", "openjpeg", "jpeg_ls"):
    pytest.importorskip(_package)


def test_every_arm_is_timed_and_the_threads_are_as_before() -> None:
    threads = torch.get_num_threads()
    found = measure_times((64, 48), 2, 0)
    assert torch.get_num_threads() == threads
    assert found["shape"] == [64, 48] and found["clock"] == "processor"
    assert {"ours", "pydicom, apply_modality_lut and apply_voi_lut"} <= set(found["display"])
    assert {"ours", "MONAI LoadImage, PydicomReader"} <= set(found["load"])
    assert len(found["cached"]) == 2 and len(found["syntaxes"]) == len(SYNTAXES)
    for part in ("display", "load", "cached", "syntaxes"):
        for row in found[part].values():
            assert 0 <= row["lowest_ms"] <= row["median_ms"] <= row["highest_ms"]
    assert found["load"]["ours"]["ours_over"] == 1.0


@pytest.mark.parametrize("syntax", ["explicit", "jpeg", "jpeglossless"])
def test_the_timed_film_has_the_shape_and_bits_it_should(syntax: str, tmp_path: Path) -> None:
    data = pydicom.dcmread(write_film(tmp_path, (48, 64), syntax, 0))
    assert data.pixel_array.shape == (48, 64)
    assert data.BitsStored == (8 if syntax == "jpeg" else 12)
    assert data.file_meta.TransferSyntaxUID == SYNTAXES[syntax]
