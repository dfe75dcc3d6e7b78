"""Logistic regression on colour statistics of histology patches: what any network has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data import Datalist, load_section
from ...metrics import classification_summary, one_against_rest_auc

__all__ = ["colour_baseline", "colour_by_folds"]


def colour_baseline(data: Path, tested: str = "test") -> dict[str, float]:
    """Learn on the whole training section, judge on another.

    Args:
        data: prepared folder.
        tested: the section to test on.

    Returns:
        :func:`classification_summary` on it, and the AUC of each class.
    """
    model = _classifier().fit(*_colours(data, ["training"])[:2])
    colours, labels, _ = _colours(data, [tested])
    return _summary(data, model.classes_, model.predict_proba(colours), labels)


def colour_by_folds(data: Path, folds: int = 5) -> dict[str, float]:
    """Every patient of the data is judged once, by a model of the patients in the other folds.

    Args:
        data: prepared folder.
        folds: number of folds by patient.

    Returns:
        :func:`classification_summary` on all cases, and the AUC of each class.
    """
    from sklearn.model_selection import GroupKFold, cross_val_predict

    sections = Datalist.load(data / "datalist.json").sections
    colours, labels, groups = _colours(data, [name for name, items in sections.items() if items])
    split = GroupKFold(folds)
    found = cross_val_predict(_classifier(), colours, labels, groups=groups, cv=split, method="predict_proba")
    return _summary(data, np.unique(labels), found, labels)


def _classifier() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def _colours(data: Path, sections: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and quantiles of the channels; labels; groups."""
    from PIL import Image

    items = [item for section in sections for item in load_section(data / "datalist.json", section)]
    pixels = (np.asarray(Image.open(item["image"]), dtype=float).reshape(-1, 3) for item in items)
    rows = [np.concatenate([p.mean(0), p.std(0), *np.quantile(p, [0.1, 0.5, 0.9], axis=0)]) for p in pixels]
    labels, groups = (np.array([item[name] for item in items]) for name in ("label", "group_id"))
    return np.stack(rows), labels, groups


def _summary(data: Path, classes: np.ndarray, found: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    names = Datalist.load(data / "datalist.json").class_names
    probabilities, truth = torch.zeros(len(labels), len(names)), torch.from_numpy(labels)
    probabilities[:, classes] = torch.from_numpy(found).float()
    by_class = one_against_rest_auc(probabilities, truth).tolist()
    return classification_summary(probabilities, truth) | {f"auc_{n}": a for n, a in zip(names, by_class)}
