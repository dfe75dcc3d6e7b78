"""Options out of range are refused with the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from monai_memvit.data.simulate.mri import MriSimulation
from monai_memvit.data.simulate.mri.acquisition import Grid


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "huge"}, "choose one of small, clinical, full"),
        ({"grids": {"dwi": Grid((4, 4, 4), (1.0, 1.0, 1.0))}}, "grids for dwi"),
        ({"missing": 1.5}, "missing is 1.5: give 0 to 1"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"max_rotation_deg": -1.0}, "max_rotation_deg is -1.0: give 0 to 45"),
        ({"anatomy_mm": 0.1}, "anatomy_mm is 0.1"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MriSimulation(**options)


def test_own_grids_replace_those_of_the_size_and_the_anatomy_is_as_fine_as_they_need() -> None:
    own = Grid((64, 64, 20), (0.8, 0.8, 5.0), tilt_deg=12.0)
    options = MriSimulation(grids={"t2": own})
    assert options.grid("t2") == own and options.grid("t1") == MriSimulation().grid("t1")
    assert options.resolution == 1.0
    assert MriSimulation().resolution == 1.5
    assert MriSimulation(anatomy_mm=2.0).resolution == 2.0
