"""Options out of their range are named."""

from __future__ import annotations

from typing import Any

import pytest

from monai_memvit.transforms.mri.registration_options import RegistrationOptions


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "elastic"}, "'elastic'"),
        ({"levels_mm": ()}, "levels_mm"),
        ({"levels_mm": (2, 4)}, r"coarse to fine, got \(2.0, 4.0\)"),
        ({"levels_mm": (4, 0)}, "levels_mm"),
        ({"samples": 10}, "samples must be at least 1000, got 10"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"min_overlap": 0}, "limit"),
        ({"max_scale": 1}, "limit"),
        ({"max_shift_mm": -3}, "limit"),
    ],
)
def test_a_wrong_value_is_named(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RegistrationOptions(**wrong)


def test_lists_of_a_config_are_taken() -> None:
    assert RegistrationOptions(levels_mm=[8, 4, 2]).levels_mm == (8.0, 4.0, 2.0)  # type: ignore[arg-type]
