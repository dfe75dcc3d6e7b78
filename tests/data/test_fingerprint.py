"""The fingerprint sees every part of the content, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data import array_digest, content_fingerprint

ROWS = [("a", "p1", 0, "training", "00"), ("b", "p1", 1, "training", "01"), ("c", "p2", 0, "test", "02")]


def test_order_does_not_matter() -> None:
    assert content_fingerprint(["x", "y"], ROWS) == content_fingerprint(["x", "y"], ROWS[::-1])


@pytest.mark.parametrize("column, value", [(0, "z"), (1, "p9"), (2, 1), (3, "validation"), (4, "ff")])
def test_every_column_matters(column: int, value: str | int) -> None:
    row = list(ROWS[2])
    row[column] = value
    assert content_fingerprint(["x", "y"], [*ROWS[:2], tuple(row)]) != content_fingerprint(["x", "y"], ROWS)


def test_class_names_and_boundaries_matter() -> None:
    assert content_fingerprint(["xy"], ROWS) != content_fingerprint(["x", "y"], ROWS)
    assert content_fingerprint(["x"], ROWS[:2]) != content_fingerprint(["x"], ROWS)


def test_an_array_is_its_type_shape_and_values_not_its_layout() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert array_digest(array) == array_digest(np.asfortranarray(array))
    others = [array.reshape(4, 2, 3), array.astype(np.int16), array + np.uint8(1)]
    assert len({array_digest(a) for a in [array, *others]}) == 4
