"""One class per image where an image may show several findings, so that splits and subsets keep the rare ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["rarest_finding"]


def rarest_finding(labels: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """Return for every image the rarest of the findings that it shows, so that the set can be stratified by it.

    Args:
        labels: per image and finding 1 (there), 0 (not there) or -1 (unknown), ``(N, K)``.

    Returns:
        Index of the finding with the fewest positive images among those that the image shows (the first of several),
        K where it shows none; int64, ``(N,)``.
    """
    shown = np.asarray(labels) == 1
    counts = np.append(shown.sum(axis=0), len(shown) + 1)
    with_none = np.column_stack([shown, np.ones(len(shown), dtype=bool)])
    return np.where(with_none, counts, len(shown) + 2).argmin(axis=1).astype(np.int64)
