from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.spacing import FilmSpacing, spacing_of


@pytest.mark.parametrize(
    ("elements", "expected", "noted"),
    [
        ({}, (1.0, 1.0, "none"), 0),
        ({"PixelSpacing": ["0.2", "0.1"]}, (0.2, 0.1, "detector"), 0),
        ({"PixelSpacing": ["0.2", "0.1"], "ImagerPixelSpacing": ["0.2000", "0.1"]}, (0.2, 0.1, "detector"), 0),
        ({"PixelSpacing": ["0.18", "0.18"], "ImagerPixelSpacing": ["0.2", "0.2"]}, (0.18, 0.18, "calibrated"), 0),
        ({"PixelSpacing": ["0.2", "0.2"], "PixelSpacingCalibrationType": "FIDUCIAL"}, (0.2, 0.2, "calibrated"), 0),
        ({"ImagerPixelSpacing": ["0.2", "0.1"]}, (0.2, 0.1, "imager"), 0),
        ({"NominalScannedPixelSpacing": ["0.2", "0.1"]}, (0.2, 0.1, "imager"), 0),
        (
            {"ImagerPixelSpacing": ["0.2", "0.1"], "EstimatedRadiographicMagnificationFactor": "1.25"},
            (0.16, 0.08, "imager"),
            1,
        ),
        (
            {"ImagerPixelSpacing": ["0.2", "0.1"], "EstimatedRadiographicMagnificationFactor": "0"},
            (0.2, 0.1, "imager"),
            1,
        ),
        ({"PixelSpacing": ["0.000", "0.000"]}, (1.0, 1.0, "none"), 1),
        ({"PixelSpacing": ["0.000", "0.000"], "ImagerPixelSpacing": ["0.2", "0.1"]}, (0.2, 0.1, "imager"), 1),
        ({"PixelSpacing": ["0.2"]}, (1.0, 1.0, "none"), 1),
        ({"PixelSpacing": ["-0.2", "0.2"]}, (1.0, 1.0, "none"), 1),
        ({"PixelSpacing": ""}, (1.0, 1.0, "none"), 0),
    ],
)
def test_which_spacing_counts(elements: dict[str, Any], expected: tuple[float, float, str], noted: int) -> None:
    dataset, notes = Dataset(), []
    for name, value in elements.items():
        setattr(dataset, name, value)
    found = spacing_of(dataset, notes)
    assert (found.row_mm, found.column_mm) == pytest.approx(expected[:2])
    assert found.kind == expected[2]
    assert len(notes) == noted


def test_the_note_on_magnification_names_no_attribute_that_is_not_there() -> None:
    dataset, notes = Dataset(), []
    dataset.NominalScannedPixelSpacing, dataset.EstimatedRadiographicMagnificationFactor = ["0.2", "0.1"], "1.25"
    assert spacing_of(dataset, notes).row_mm == pytest.approx(0.16)
    assert notes == ["the spacing was divided by the magnification 1.25"]


def test_the_affine_takes_row_and_column_to_mm() -> None:
    place = FilmSpacing(0.2, 0.1, "detector").affine @ np.array([30, 10, 0, 1])
    np.testing.assert_allclose(place, [6, 1, 0, 1])
