"""The picture to judge a patient of an archive by."""

from __future__ import annotations

import numpy as np

from monai_memvit.data.mri.archives.slice_picture import slice_picture
from monai_memvit.data.mri.archives.slice_stack import SliceStack
from monai_memvit.data.mri.quality import stretched


def test_a_row_per_sequence_shows_its_fullest_slice_and_its_values() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(3, 3, 16, 16)).astype(np.float16)
    brain = np.zeros((3, 16, 16), dtype=bool)
    brain[0, :4, :4] = brain[1, :12, :12] = brain[2, :8, :8] = True
    present = np.array([[True, False, True], [True, False, False], [True, False, True]])
    figure = slice_picture(SliceStack(image, brain, {}), present, ["t1", "flair", "t1gd"])
    pictures, values = figure.axes[::2], figure.axes[1::2]
    assert [axes.get_title() for axes in pictures] == ["t1: slice 1", "t1gd: slice 2"]
    for axes, (number, channel) in zip(pictures, [(1, 0), (2, 2)]):
        np.testing.assert_array_equal(axes.images[0].get_array(), stretched(image[number, channel].astype(np.float32)))
    counted = [axes.patches[0].get_data().values.sum() for axes in values]
    assert counted == [16 + 144 + 64, 16 + 64]
