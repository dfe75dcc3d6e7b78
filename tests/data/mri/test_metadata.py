"""Metadata is tracked where volumes are handled, and as it was everywhere else."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor, get_track_meta, set_track_meta

from monai_memvit.data.mri.metadata import tracked_metadata


@pytest.mark.parametrize("before", [True, False])
def test_tracking_is_on_within_and_as_before_afterwards(before: bool) -> None:
    set_track_meta(before)

    @tracked_metadata()
    def doubled(volume: MetaTensor) -> MetaTensor:
        return volume * 2

    volume = MetaTensor(torch.ones(1, 2, 2, 2), affine=3 * torch.eye(4))
    for _ in range(2):
        assert torch.equal(doubled(volume).affine, volume.affine)
        assert get_track_meta() is before


def test_an_error_leaves_it_as_before() -> None:
    set_track_meta(False)
    with pytest.raises(ZeroDivisionError), tracked_metadata():
        raise ZeroDivisionError
    assert get_track_meta() is False
