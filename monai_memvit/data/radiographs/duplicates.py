"""Films that are the same picture, or almost: under two names, of two patients, on both sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["FilmPair", "films_to_drop", "find_pairs"]

_ALIKE = 0.95
_COARSE = 2
_BLOCK = 2048


@dataclass(frozen=True)
class FilmPair:
    """Two films that show the same.

    Args:
        first: position of the one.
        second: position of the other, the larger one.
        exact: whether every display value is the same.
        likeness: correlation of their details, 1 for the same; below 0 for one that is the other's negative.
    """

    first: int
    second: int
    exact: bool
    likeness: float


def find_pairs(thumbnails: np.ndarray, pixel_hashes: Sequence[str]) -> list[FilmPair]:
    """Find films with equal display values, and films that look alike, such as a copy with another compression.

    Looking alike is a correlation of at least 0.95, or at most -0.95, between the Laplacians of the 32 x 32
    thumbnails: what is left of a film when brightness, contrast and slow shading are gone. Films of two patients stay
    far below, copies saved anew with another size, gamma and JPEG quality lie above. A film that is cropped or turned
    is not found.

    Args:
        thumbnails: in [0, 1], ``(N, 32, 32)``.
        pixel_hashes: of the display values, N.

    Returns:
        The pairs in ascending order. Of several films with equal values each is paired with the first of them only.
    """
    first: dict[str, int] = {}
    pairs = [
        FilmPair(first[digest], number, True, 1.0)
        for number, digest in enumerate(pixel_hashes)
        if first.setdefault(digest, number) != number
    ]
    unique = np.array(sorted(first.values()), dtype=np.int64)
    if len(unique):
        pairs += [FilmPair(int(unique[i]), int(unique[j]), False, r) for i, j, r in _alike(thumbnails[unique])]
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))


def _alike(thumbnails: np.ndarray) -> Iterator[tuple[int, int, float]]:
    count, size, _ = thumbnails.shape
    small = thumbnails.reshape(count, size // _COARSE, _COARSE, size // _COARSE, _COARSE).mean(axis=(2, 4))
    coarse = _details(small)
    for start in range(0, count, _BLOCK):
        for other in range(start, count, _BLOCK):
            likeness = np.abs(coarse[start : start + _BLOCK] @ coarse[other : other + _BLOCK].T)
            for i, j in np.argwhere(likeness >= _ALIKE) + (start, other):
                if i < j and abs(fine := _likeness(thumbnails[[i, j]])) >= _ALIKE:
                    yield int(i), int(j), fine


def _likeness(two: np.ndarray) -> float:
    first, second = _details(two)
    return float(first @ second)


def _details(pictures: np.ndarray) -> np.ndarray:
    """Laplacians as vectors of length 1 (of length 0 for a film of one value), ``(N, D)`` float32."""
    inner = pictures[:, 1:-1, 1:-1]
    around = pictures[:, :-2, 1:-1] + pictures[:, 2:, 1:-1] + pictures[:, 1:-1, :-2] + pictures[:, 1:-1, 2:]
    details = (4 * inner - around).reshape(len(pictures), -1)
    lengths = np.linalg.norm(details, axis=1, keepdims=True)
    return np.divide(details, lengths, out=np.zeros_like(details), where=lengths > 1e-6).astype(np.float32)


def films_to_drop(pairs: Sequence[FilmPair], sections: Sequence[str]) -> dict[int, int]:
    """Choose which films go where some that show the same stand in several sections: all but those of the last one.

    Test films stay, and validation films go only for a test film: what a model is judged by is not made easier.

    Args:
        pairs: of films.
        sections: ``training``, ``validation`` or ``test`` per film.

    Returns:
        Position of each film that goes -> a film of a later section that shows the same.
    """
    order = {"training": 0, "validation": 1, "test": 2}
    dropped: dict[int, int] = {}
    for members in _families(pairs, len(sections)):
        last = max(members, key=lambda film: order[sections[film]])
        dropped |= {film: last for film in members if sections[film] != sections[last]}
    return dict(sorted(dropped.items()))


def _families(pairs: Sequence[FilmPair], count: int) -> list[list[int]]:
    """Films that are connected by pairs, each family in ascending order."""
    ends = np.array([[pair.first, pair.second] for pair in pairs], dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), dtype=bool), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, family = connected_components(graph, directed=False)
    members: dict[int, list[int]] = defaultdict(list)
    for film in np.unique(ends).tolist():
        members[int(family[film])].append(film)
    return list(members.values())
