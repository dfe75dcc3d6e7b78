"""What position and brain area of a slice tell without a look at its tissue: a shortcut that networks have to beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...data import load_class_names, load_section
from ...metrics import classification_summary
from ..studies.slice_predictions import SlicePredictions

__all__ = ["shortcut_baseline", "shortcut_predictions"]


def shortcut_baseline(data: Path, tested: str = "test") -> dict[str, float]:
    """Logistic regression on the whole training section, judged on another.

    It sees where a slice lies among those of its case, from 0 to 1, which share of it is brain, and the squares and the
    product of both: tumours are rarer at either end, which no straight line can tell.

    Args:
        data: prepared folder of slices.
        tested: the section to test on.

    Returns:
        :func:`classification_summary` on it.

    Raises:
        ValueError: when the items are no slices of stacks.
    """
    predictions = shortcut_predictions(data, tested)
    return classification_summary(predictions.probabilities, predictions.labels)


def shortcut_predictions(data: Path, tested: str = "test") -> SlicePredictions:
    """What the regression of :func:`shortcut_baseline` says of every slice.

    Args:
        data: prepared folder of slices.
        tested: the section to test on.

    Returns:
        in the order of the section.

    Raises:
        ValueError: when the items are no slices of stacks.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    path = data / "datalist.json"
    model = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), LogisticRegression(max_iter=2000)
    )
    model.fit(*_cues(path, "training"))
    cues, labels = _cues(path, tested)
    probabilities = torch.zeros(len(labels), len(load_class_names(path)))
    probabilities[:, model.classes_] = torch.from_numpy(model.predict_proba(cues)).float()
    items = load_section(path, tested)
    groups = torch.tensor([item["group_id"] for item in items])
    complete = torch.tensor([all(item.get("channel_mask", ())) for item in items])
    return SlicePredictions(probabilities, torch.from_numpy(labels), groups, complete)


def _cues(path: Path, section: str) -> tuple[np.ndarray, np.ndarray]:
    """Relative position and share of brain ``(N, 2)``, and labels ``(N,)``."""
    items = load_section(path, section)
    if any("slice" not in item for item in items):
        raise ValueError(f"{path}: items of {section!r} have no slice number: prepare slices by `prepare mri`")
    shares = {image: _brain_shares(Path(image)) for image in {item["image"] for item in items}}
    cues = []
    for item in items:
        share = shares[item["image"]]
        cues.append([item["slice"] / max(len(share) - 1, 1), share[item["slice"]]])
    return np.array(cues), np.array([item["label"] for item in items])


def _brain_shares(image: Path) -> np.ndarray:
    """Share of every slice of a case that is brain, ``(S,)``; without a mask of it, that is not 0 in all channels."""
    mask = image.with_name("brain.npy")
    if mask.exists():
        return np.load(mask, allow_pickle=False).mean(axis=(1, 2))
    stack = np.load(image, mmap_mode="r", allow_pickle=False)
    return (np.asarray(stack) != 0).any(axis=1).mean(axis=(1, 2))
