from __future__ import annotations

from collections.abc import Callable

from pydicom.datadict import keyword_dict
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.attributes import ALLOWED_ATTRIBUTES, allowed_attributes

IDENTIFYING = ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "InstitutionName", "StudyInstanceUID")
IDENTIFYING_WORDS = ("UID", "Name", "Date", "Time", "Address", "Physician", "Operator", "Comments", "Description")


def test_no_identifier_is_on_the_list() -> None:
    names = [name for name in ALLOWED_ATTRIBUTES if name != "ManufacturerModelName"]
    assert not [name for name in names for word in IDENTIFYING_WORDS if word in name]
    assert not [name for name in names if name.startswith("Patient") and name != "PatientOrientation"]


def test_every_name_is_dicoms() -> None:
    assert {*ALLOWED_ATTRIBUTES} - {*keyword_dict} == {"ViewCode"}


def test_only_the_list_is_taken_and_always_all_of_it(make_film: Callable[..., Dataset]) -> None:
    film = make_film(PatientName="A^B", PatientID="77", ViewPosition="PA", PatientOrientation=["L", "F"])
    found = allowed_attributes(film)
    assert tuple(found) == tuple(allowed_attributes(None)) == ALLOWED_ATTRIBUTES
    assert found["ViewPosition"] == "PA"
    assert found["PatientOrientation"] == "L\\F"
    assert found["BitsStored"] == "12"
    assert found["Laterality"] == ""
    assert not {"A^B", "77"} & {*found.values()}
    assert set(allowed_attributes(None).values()) == {""}


def test_the_view_may_be_coded(make_film: Callable[..., Dataset]) -> None:
    code = Dataset()
    code.CodeMeaning = "postero-anterior"
    assert allowed_attributes(make_film(ViewCodeSequence=[code]))["ViewCode"] == "postero-anterior"
    assert allowed_attributes(make_film(ViewCodeSequence=[]))["ViewCode"] == ""


def test_what_runs_on_into_the_next_element_is_left_out(make_film: Callable[..., Dataset]) -> None:
    """As where the length of an element is damaged: the next tag and its text, here a name, come along."""
    swallowed = "Maker\x10\x00\x10\x00PN\x04\x00A^B "
    assert allowed_attributes(make_film(Manufacturer=swallowed))["Manufacturer"] == ""
    assert allowed_attributes(make_film(Manufacturer="Maker é"))["Manufacturer"] == "Maker é"


def test_long_texts_are_cut(make_film: Callable[..., Dataset]) -> None:
    assert len(allowed_attributes(make_film(ImageType=["X" * 16] * 9))["ImageType"]) == 64
