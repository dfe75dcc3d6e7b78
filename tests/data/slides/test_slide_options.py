"""Parameters that do not fit are refused at once."""

from __future__ import annotations

import json

import pytest

from monai_memvit.data.slides import SlideOptions, TileOptions


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mpp_target": 0}, "mpp_target is 0"),
        ({"mpp": float("nan")}, "mpp is nan"),
        ({"tile": 8}, "tile is 8"),
        ({"overlap": 256}, "overlap is 256"),
        ({"overlap": -1}, "overlap is -1"),
        ({"min_tissue": 1.5}, "min_tissue is 1.5"),
        ({"stain": "pas"}, "stain 'pas' is unknown"),
        ({"partial": "some"}, "partial is 'some'"),
        ({"mpp_target": 2.0, "check_focus": True}, "do not show the focus"),
    ],
)
def test_values_out_of_range(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TileOptions(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"class_names": ["a", "b"]}, {"val_fraction": 0.0}, {"test_fraction": 0.2}])
def test_what_is_about_labels_needs_them(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))} is .*: give --labels"):
        SlideOptions(**values)  # type: ignore[arg-type]
    assert SlideOptions(labels="labels.csv", **values)  # type: ignore[arg-type]


def test_parameters_are_plain_json() -> None:
    options = TileOptions(mpp=0.25)
    assert TileOptions(**json.loads(json.dumps(options.as_dict()))) == options
