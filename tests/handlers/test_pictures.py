"""The pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from monai_memvit.handlers.pictures import Panel, confusion_picture, evidence_picture, subsets_picture


def _rendered(figure) -> tuple[int, int]:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    with Image.open(file) as image:
        image.load()
        return image.size


def test_confusion_picture_names_counts_and_shares():
    figure = confusion_picture(torch.tensor([[3, 1], [0, 0]]), ["benign", "malignant"])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["3\n75%", "1\n25%", "0\n0%", "0\n0%"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["benign", "malignant"]
    assert axes.get_title() == "4 cases"
    assert min(_rendered(figure)) > 100


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3)])
def test_evidence_picture_frames_by_agreement(shape):
    image = np.zeros(shape, dtype=np.uint8)
    rows = [[Panel(image, "case", None), Panel(image, "same", True), Panel(image, "other", False)]] * 2
    figure = evidence_picture(rows, "caption")
    assert [axes.get_title() for axes in figure.axes] == ["case", "same", "other"] * 2
    frames = [axes.spines["left"] for axes in figure.axes[:3]]
    assert [frame.get_visible() for frame in frames] == [False, True, True]
    assert frames[1].get_edgecolor() != frames[2].get_edgecolor()
    assert min(_rendered(figure)) > 100


def test_nothing_to_show_is_an_error():
    with pytest.raises(ValueError, match="no case"):
        evidence_picture([], "")
    with pytest.raises(ValueError, match="no subset"):
        subsets_picture(["a"], [], [], "auc")


def test_subsets_picture_sorts_by_size_then_value():
    subsets, values = [(0,), (1,), (0, 1)], [0.6, 0.8, float("nan")]
    figure = subsets_picture(["t1", "t2"], subsets, values, "auc")
    above, below = figure.axes
    np.testing.assert_array_equal(above.lines[0].get_ydata(), [0.8, 0.6, np.nan])
    assert [text.get_text() for text in above.texts] == ["1\n0.700", "2\nnan"]
    black = [line.get_xdata().tolist() for line in below.lines if line.get_color() == "black"]
    assert black == [[1, 2], [0, 2]]
    assert [label.get_text() for label in below.get_yticklabels()] == ["t1", "t2"]
    assert min(_rendered(figure)) > 100
