from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.errors import DisplayError
from monai_memvit.transforms.radiograph.refusals import (
    RADIOGRAPH_MODALITIES,
    refuse_other_modalities,
    refuse_what_is_not_grey,
)

IMAGES = "1.2.840.10008.5.1.4.1.1."


@pytest.mark.parametrize(
    ("sop_class", "modality"),
    [
        (f"{IMAGES}1", "CR"),
        (f"{IMAGES}1.1", "DX"),
        (f"{IMAGES}1.1", None),
        (f"{IMAGES}7", "CR"),
        (None, "RG"),
        ("1.2.3", "DX"),
    ],
)
def test_radiographs_are_taken(make_film: Callable[..., Dataset], sop_class: str | None, modality: str | None) -> None:
    film = make_film(SOPClassUID=sop_class, Modality=modality)
    refuse_other_modalities(film, RADIOGRAPH_MODALITIES)


@pytest.mark.parametrize(
    ("sop_class", "modality", "named"),
    [
        (f"{IMAGES}2", "CT", "CT Image Storage"),
        (f"{IMAGES}4", "CR", "MR Image Storage"),
        (f"{IMAGES}7", "OT", "modality OT"),
        (f"{IMAGES}7", None, "without Modality"),
        (f"{IMAGES}1.2", "MG", "modality MG"),
        (None, None, "without Modality"),
        ("1.2.3", "CT", "modality CT"),
    ],
)
def test_others_are_named(
    make_film: Callable[..., Dataset], sop_class: str | None, modality: str | None, named: str
) -> None:
    film = make_film(SOPClassUID=sop_class, Modality=modality)
    with pytest.raises(DisplayError, match=named):
        refuse_other_modalities(film, RADIOGRAPH_MODALITIES)
    refuse_other_modalities(film, None)


@pytest.mark.parametrize("modality", ["MG", "OT", None])
def test_others_may_be_asked_for(make_film: Callable[..., Dataset], modality: str | None) -> None:
    film = make_film(SOPClassUID=f"{IMAGES}7", Modality=modality)
    refuse_other_modalities(film, ("MG", "OT", ""))


def test_one_modality_may_be_a_plain_text(make_film: Callable[..., Dataset]) -> None:
    """No part of it counts, and the empty one means files that state none."""
    refuse_other_modalities(make_film(), "DX")
    unstated = make_film(SOPClassUID=f"{IMAGES}7", Modality=None)
    refuse_other_modalities(unstated, "")
    for film in (unstated, make_film(Modality="D")):
        with pytest.raises(DisplayError, match=r"taken are \['DX'\]"):
            refuse_other_modalities(film, "DX")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"PixelData": None}, "no pixels .Digital X-Ray Image Storage"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "RGB"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"PhotometricInterpretation": None}, "missing"),
        ({"SamplesPerPixel": 3}, "SamplesPerPixel is 3"),
        ({"NumberOfFrames": "2"}, "2 frames"),
        ({"NumberOfFrames": "0"}, "0 frames"),
        ({"FloatPixelData": b"\0" * 120}, "floating"),
        ({"SharedFunctionalGroupsSequence": []}, "enhanced"),
    ],
)
def test_what_is_no_single_grey_frame_is_named(
    make_film: Callable[..., Dataset], changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(DisplayError, match=named):
        refuse_what_is_not_grey(make_film(**changes))


def test_a_film_may_leave_out_the_number_of_samples_and_frames(make_film: Callable[..., Dataset]) -> None:
    refuse_what_is_not_grey(make_film(SamplesPerPixel=None))
    refuse_what_is_not_grey(make_film(NumberOfFrames="1"))
