"""What cannot be simulated is refused."""

from __future__ import annotations

from typing import Any

import pytest

from monai_memvit.data.simulate.radiographs import RadiographSimulation


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 16}, "size is 16: give 32 to 4096 pixels"),
        ({"prevalence": 1.5}, "prevalence is 1.5: give 0 to 1"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"uncertain": 0.7, "blank": 0.7}, "are more than 1 together"),
        ({"nodule_mm": (6.0, 3.0)}, "nodule_mm is"),
        ({"films": 0}, "films is 0: give 1 to 9"),
    ],
)
def test_numbers_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RadiographSimulation(**arguments)
