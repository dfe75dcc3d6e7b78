"""How well labels can be guessed without reading the film: what a model has to beat before it has learnt anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .shortcut_cues import FilmCues, cue_columns

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["FindingShortcuts", "cue_shortcuts", "pixel_model", "pixel_shortcuts"]

_FOLDS = 5
_FEWEST = 20  # patients with a finding, and without: an AUC of fewer is mostly chance
_STRENGTH = 1e-3  # of LogisticRegression on standardised pixels: 1024 of them, often of fewer films
_MOST_FILMS = 10_000
ALL_CUES = "all of these"


@dataclass(frozen=True)
class FindingShortcuts:
    """Areas under the ROC curve for one finding; 0.5 is chance, None stands for fewer than 20 patients.

    Args:
        cues: name of a cue, or ``all of these`` -> AUC over patients that the regression has not seen.
        pixels: section -> AUC of a linear model of 32 x 32 pixels that was fitted to training.
    """

    cues: Mapping[str, float | None]
    pixels: Mapping[str, float | None]


def cue_shortcuts(
    films: Sequence[FilmCues], labels: np.ndarray, groups: Sequence[str]
) -> list[dict[str, float | None]]:
    """Guess every finding from each cue, and from all of them, by logistic regressions across patients.

    Of five parts of the patients each is guessed by a regression on the other four. Of more than 10,000 films so many
    are drawn.

    Args:
        films: their cues.
        labels: 1, 0 or -1 (unknown), ``(N, K)``; unknown ones are left out.
        groups: patients, N.

    Returns:
        Per finding: name of a cue -> AUC.
    """
    some = _some(np.arange(len(films)))
    columns = cue_columns([films[number] for number in some])
    if columns:
        columns[ALL_CUES] = np.column_stack(list(columns.values()))
    _, group = np.unique(np.asarray(groups, dtype=str)[some], return_inverse=True)
    return [{name: _across(column, label, group) for name, column in columns.items()} for label in labels[some].T]


def _some(films: np.ndarray) -> np.ndarray:
    if len(films) <= _MOST_FILMS:
        return films
    return np.sort(np.random.default_rng(0).choice(films, _MOST_FILMS, replace=False))


def _across(column: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float | None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    known = labels >= 0
    column, labels = column[known], labels[known]
    folds = _folds(labels, groups[known])
    if folds is None:
        return None
    model, parts = LogisticRegression(max_iter=1000), PredefinedSplit(folds)
    return _auc(labels, cross_val_predict(model, column, labels, cv=parts, method="predict_proba")[:, 1])


def _folds(labels: np.ndarray, groups: np.ndarray) -> np.ndarray | None:
    """Parts of whole patients with films of either kind in each; None where 20 patients of a kind are not there.

    Patients are dealt out in the order: only without, both, only with the finding. Those with films of one kind stand
    side by side in it, so that every part gets some.
    """
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max(initial=-1)) + 1
    with_it, without = (np.bincount(group[labels == value], minlength=count) > 0 for value in (1, 0))
    if min(with_it.sum(), without.sum()) < _FEWEST:
        return None
    shuffled = np.random.default_rng(0).permutation(count)
    order = shuffled[np.argsort((with_it.astype(int) - without)[shuffled], kind="stable")]
    fold = np.empty(count, dtype=np.int64)
    fold[order] = np.arange(count) % _FOLDS
    return fold[group]


def pixel_shortcuts(
    thumbnails: np.ndarray, labels: np.ndarray, sections: Sequence[str]
) -> list[dict[str, float | None]]:
    """Fit a linear model of 32 x 32 pixels to the training films, and judge it by the other sections.

    Args:
        thumbnails: display values in [0, 1], ``(N, 32, 32)``.
        labels: 1, 0 or -1 (unknown), ``(N, K)``; unknown ones are left out.
        sections: ``training``, ``validation`` or ``test``, N. Of more than 10,000 training films so many are drawn.

    Returns:
        Per finding: ``validation`` and ``test`` -> AUC.
    """
    section = np.asarray(sections)
    training = _some(np.flatnonzero(section == "training"))
    pixels = thumbnails.reshape(len(thumbnails), -1)
    judged = {name: np.flatnonzero(section == name) for name in ("validation", "test") if (section == name).any()}
    return [_linear(pixels, label, training, judged) for label in labels.T]


def _linear(
    pixels: np.ndarray, labels: np.ndarray, training: np.ndarray, judged: Mapping[str, np.ndarray]
) -> dict[str, float | None]:
    model = pixel_model(pixels[training], labels[training])
    if model is None:
        return dict.fromkeys(judged)
    known = {name: films[labels[films] >= 0] for name, films in judged.items()}
    return {
        name: _auc(labels[films], model.decision_function(pixels[films])) if len(films) else None
        for name, films in known.items()
    }


def pixel_model(pixels: np.ndarray, labels: np.ndarray) -> Pipeline | None:
    """Logistic regression on standardised pixels for one finding.

    Args:
        pixels: of the training films ``(N, D)``.
        labels: 1, 0 or -1 (unknown) ``(N,)``; unknown ones are left out.

    Returns:
        scikit-learn's fitted model; None where the finding has one known value only.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = labels >= 0
    if len(np.unique(labels[known])) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=1000))
    return model.fit(pixels[known], labels[known])


def _auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores)) if len(np.unique(labels)) == 2 else None
