"""What stands in the picture of cases."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.handlers.case_overlay import CaseStrip, overlay_picture

CLASSES = ["normal", "tumour"]


def strip(**change: object) -> CaseStrip:
    """Four slices, the third shown, with a square tumour."""
    tumour = np.zeros((8, 8), bool)
    tumour[2:5, 3:6] = True
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    values = {"title": "case 1", "picture": picture, "tumour": tumour, "numbers": [0, 1, 2, 3]}
    return CaseStrip(
        **(values | {"probabilities": [0.1, 0.2, 0.9, 0.3], "labels": [0, None, 1, 0], "shown": 2} | change)
    )


def test_points_are_the_slices_by_label():
    left, right = overlay_picture([strip()], CLASSES).axes
    points = {c.get_label(): np.asarray(c.get_offsets()).tolist() for c in right.collections}
    expected = {"true: unknown": [[1, 0.2]], "true: normal": [[0, 0.1], [3, 0.3]], "true: tumour": [[2, 0.9]]}
    assert points == {name: [pytest.approx(point) for point in found] for name, found in expected.items()}
    assert left.get_title() == "case 1" and right.get_ylabel() == "probability of tumour"
    assert np.array_equal(left.images[0].get_array(), strip().picture)


def test_the_outline_is_that_of_the_tumour():
    outlined = overlay_picture([strip()], CLASSES).axes[0].collections
    (path,) = outlined[0].get_paths()
    assert path.vertices.min(0) == pytest.approx([2.5, 1.5]) and path.vertices.max(0) == pytest.approx([5.5, 4.5])
    for none in (None, np.zeros((8, 8), bool)):
        assert not overlay_picture([strip(tumour=none)], CLASSES).axes[0].collections


def test_a_row_for_every_case():
    assert len(overlay_picture([strip(), strip(), strip()], CLASSES).axes) == 6
    with pytest.raises(ValueError, match="no case"):
        overlay_picture([], CLASSES)
