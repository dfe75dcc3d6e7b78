"""Order by name, zeros only where the channel mask says so."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, list_data_collate, set_track_meta
from monai.transforms import Compose, SelectItemsd

from monai_memvit.transforms.mri.stack_sequences import StackSequencesd

SEQUENCES = ("t1", "t2", "flair", "t1gd", "apt")
AFFINE = torch.tensor([[0, 2.0, 0, -3], [1.0, 0, 0, 5], [0, 0, 4.0, 7], [0, 0, 0, 1]], dtype=torch.float64)


def volume(value: float, affine: torch.Tensor = AFFINE, shape: tuple[int, ...] = (1, 4, 5, 3)) -> MetaTensor:
    voxels = value + torch.linspace(0, 0.5, int(np.prod(shape))).reshape(shape)
    return MetaTensor(voxels, affine=affine, meta={"filename_or_obj": f"/cases/{9 - value:g}.nii.gz"})


def full() -> dict[str, MetaTensor]:
    return {name: volume(number + 1.0) for number, name in enumerate(SEQUENCES)}


def test_channels_stand_in_the_order_of_the_names() -> None:
    item = full()
    done = StackSequencesd(SEQUENCES, reference="t1gd")(item)
    assert done["image"].shape == (5, 4, 5, 3) and done["image"].dtype == torch.float32
    for channel, name in enumerate(SEQUENCES):
        assert torch.equal(done["image"].as_tensor()[channel], item[name].as_tensor()[0])
    assert done["channel_mask"].tolist() == [True] * 5 and done["channel_mask"].dtype == torch.bool
    assert done["image"].meta["channel_names"] == list(SEQUENCES)
    assert torch.equal(done["image"].affine, AFFINE)
    assert done["image"].meta["filename_or_obj"] == item["t1gd"].meta["filename_or_obj"]
    other = StackSequencesd(SEQUENCES[::-1])(item)
    assert torch.equal(other["image"].as_tensor(), done["image"].as_tensor().flip(0))


def test_the_order_of_the_item_changes_nothing() -> None:
    item = full() | {"t2": None}
    expected = StackSequencesd(SEQUENCES)(item)
    for order in permutations(SEQUENCES):
        done = StackSequencesd(SEQUENCES)({name: item[name] for name in order})
        assert torch.equal(done["image"].as_tensor(), expected["image"].as_tensor())
        assert torch.equal(done["channel_mask"], expected["channel_mask"])


@pytest.mark.parametrize("present", [("t1gd",), ("t1", "apt"), ("t2", "flair", "t1gd")])
@pytest.mark.parametrize("as_none", [True, False])
def test_zero_and_false_stand_together(present: tuple[str, ...], as_none: bool) -> None:
    item = {name: value for name, value in full().items() if name in present or as_none}
    item = {name: value if name in present else None for name, value in item.items()}
    done = StackSequencesd(SEQUENCES)(item)
    assert done["channel_mask"].tolist() == [name in present for name in SEQUENCES]
    assert (done["image"].as_tensor() != 0).flatten(1).any(1).tolist() == [name in present for name in SEQUENCES]


def test_other_keys_and_the_sequences_stay() -> None:
    item = full() | {"label": 1}
    done = StackSequencesd(SEQUENCES, image_key="stack", channel_mask_key="there")(item)
    assert {*done} == {*item, "stack", "there"} and done["label"] == 1 and done["t1"] is item["t1"]


def test_stacks_collate_to_a_batch() -> None:
    pipeline = Compose([StackSequencesd(SEQUENCES), SelectItemsd(("image", "channel_mask"))])
    batch = list_data_collate([pipeline(full() | {"apt": None}) for _ in range(2)])
    assert batch["image"].shape == (2, 5, 4, 5, 3)
    assert batch["channel_mask"].tolist() == [[True] * 4 + [False]] * 2


def test_without_metadata_a_plain_tensor_comes_out() -> None:
    item = full()
    set_track_meta(False)
    try:
        done = StackSequencesd(("t1", "t2"))(item)
    finally:
        set_track_meta(True)
    assert type(done["image"]) is torch.Tensor and done["image"].shape == (2, 4, 5, 3)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"t2": volume(2.0, AFFINE + 0.1)}, r"t2 \(/cases/7.nii.gz\) lies on another grid.* t1 \(/cases/8.nii.gz\)"),
        ({"t2": volume(2.0, shape=(1, 4, 5, 4))}, r"t2 .* lies on another grid, \(4, 5, 4\)"),
        ({"flair": MetaTensor(torch.zeros(1, 4, 5, 3), affine=AFFINE)}, "flair: all voxels are 0"),
        ({"flair": volume(3.0) * float("nan")}, r"flair .*NaN"),
        ({"apt": volume(5.0, shape=(2, 4, 5, 3))}, "apt .*4-D"),
        ({"flair": volume(3.0).as_tensor()}, "flair has no affine"),
        ({"t1gd": None}, r"lacks the required sequences \['t1gd'\]"),
        (dict.fromkeys(SEQUENCES), "lacks the required"),
    ],
)
def test_errors_name_the_sequence(changed: dict[str, MetaTensor | None], cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        StackSequencesd(SEQUENCES, required="t1gd")(full() | changed)


def test_nothing_to_stack_is_an_error() -> None:
    with pytest.raises(ValueError, match="none of the sequences"):
        StackSequencesd(SEQUENCES)({"other": volume(1.0)})


@pytest.mark.parametrize(
    "arguments", [{"sequences": ()}, {"sequences": ("t1", "t1")}, {"required": "t3"}, {"reference": "t3"}]
)
def test_impossible_arguments(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="sequences=|required or reference"):
        StackSequencesd(**{"sequences": SEQUENCES, **arguments})
