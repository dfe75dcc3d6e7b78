from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.observations import observations


def test_an_ordinary_film_has_none(make_film: Callable[..., Dataset]) -> None:
    assert observations(make_film(BurnedInAnnotation="NO", PresentationIntentType="FOR PRESENTATION")) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ShutterShape": "RECTANGULAR"}, "RECTANGULAR shutter"),
        ({"BurnedInAnnotation": "YES"}, "burned in"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "raw data"),
        ({"syntax": ""}, "read as implicit VR, little endian"),
    ],
)
def test_what_is_unusual_is_said(make_film: Callable[..., Dataset], changes: dict[str, Any], said: str) -> None:
    (note,) = observations(make_film(**changes))
    assert said in note


def test_overlays_are_counted_in_all_their_groups(make_film: Callable[..., Dataset]) -> None:
    film = make_film()
    film.add_new(0x60000010, "US", 6)
    film.add_new(0x601E0010, "US", 6)
    assert observations(film) == ["2 overlays are not drawn"]
