"""What can be told of a film without looking at the lungs: view, device, size, brightness, rim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["FilmCues", "cue_columns"]

_FEW = 20  # a device with fewer films is one of "others": a column of its own could only be learnt by heart


@dataclass(frozen=True)
class FilmCues:
    """Of one film.

    Args:
        words: name of a cue -> its value, such as ``view`` -> ``PA``.
        numbers: name of a cue -> its value, such as ``mean brightness`` -> 0.41.
    """

    words: Mapping[str, str]
    numbers: Mapping[str, float]


def cue_columns(films: Sequence[FilmCues]) -> dict[str, np.ndarray]:
    """Turn cues into columns that a linear model can use.

    Args:
        films: all with the same cues.

    Returns:
        Name of a cue -> ``(N, D)``: a number and its square, both standardised, or one column per word. Cues that are
        the same for all films are left out.
    """
    if not films:
        return {}
    columns = {name: _one_hot([film.words[name] for film in films]) for name in films[0].words}
    columns |= {name: _curved(np.array([film.numbers[name] for film in films])) for name in films[0].numbers}
    return {name: column for name, column in columns.items() if column.shape[1]}


def _one_hot(words: Sequence[str]) -> np.ndarray:
    names, counts = np.unique(np.array(words), return_counts=True)
    common = set(names[counts >= _FEW].tolist())
    told = np.array([word if word in common else "others" for word in words])
    kinds = np.unique(told)
    return (told[:, None] == kinds[None, :]).astype(np.float64) if len(kinds) > 1 else np.empty((len(words), 0))


def _curved(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    if not spread > 1e-9 * max(1.0, float(np.abs(values).max())):
        return np.empty((len(values), 0))
    standard = (values - values.mean()) / spread
    return np.column_stack([standard, standard**2])
