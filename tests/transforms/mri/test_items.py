"""Names in errors, and which sequences an item has."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Identityd

from monai_memvit.transforms.mri.items import name_of, present_keys


def test_names() -> None:
    image = MetaTensor(torch.zeros(1), meta={"filename_or_obj": "/a/t1.nii"})
    assert name_of(image, "t1") == "t1 (/a/t1.nii)"
    assert name_of(image) == "/a/t1.nii"
    assert name_of(torch.zeros(1), "t1") == "t1"
    assert name_of(MetaTensor(torch.zeros(1))) == "the image"


def test_none_is_missing_and_the_order_is_that_of_the_keys() -> None:
    item = {"c": torch.zeros(1), "a": 0, "b": None}
    assert [*present_keys(Identityd(("a", "b", "c", "d"), allow_missing_keys=True), item)] == ["a", "c"]
    for key in ("b", "d"):
        with pytest.raises(ValueError, match=f"no '{key}'"):
            [*present_keys(Identityd(("a", key)), item)]
