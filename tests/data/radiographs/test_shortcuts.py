"""A planted shortcut is found, none is found where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data.radiographs.shortcut_cues import FilmCues, cue_columns
from monai_memvit.data.radiographs.shortcuts import ALL_CUES, _folds, cue_shortcuts, pixel_shortcuts

N = 600
RNG = np.random.default_rng(0)
DEVICE = RNG.integers(0, 2, N)
BRIGHT = RNG.normal(size=N)
GROUPS = [f"p{number // 2}" for number in range(N)]
FILMS = [
    FilmCues({"device": "AB"[device], "view": "PA"}, {"brightness": bright, "size": 4.0})
    for device, bright in zip(DEVICE, BRIGHT)
]
LABELS = np.column_stack(
    [
        np.where(RNG.random(N) < 0.9, DEVICE, 1 - DEVICE),
        (np.abs(BRIGHT) > 0.7).astype(int),
        np.repeat(RNG.integers(0, 2, N // 2), 2),
        np.where(np.arange(N) < 4, 1, 0),
    ]
)


def test_columns_leave_out_what_is_always_the_same() -> None:
    columns = cue_columns(FILMS)
    assert {name: column.shape for name, column in columns.items()} == {"device": (N, 2), "brightness": (N, 2)}
    assert np.array_equal(columns["device"], np.eye(2)[DEVICE])
    standard = (BRIGHT - BRIGHT.mean()) / BRIGHT.std()
    assert columns["brightness"] == pytest.approx(np.column_stack([standard, standard**2]))
    assert cue_columns([]) == {}


def test_rare_words_share_a_column() -> None:
    films = [FilmCues({"device": f"rare {n}" if n < 30 else "usual"}, {}) for n in range(100)]
    assert cue_columns(films)["device"].sum(axis=0).tolist() == [30, 70]


def test_a_planted_cue_is_found() -> None:
    by_device, by_brightness, by_chance, rare = cue_shortcuts(FILMS, LABELS, GROUPS)
    assert by_device["device"] == pytest.approx(0.9, abs=0.04) and by_device[ALL_CUES] > 0.85
    assert by_brightness["brightness"] > 0.95 and abs(by_brightness["device"] - 0.5) < 0.1
    assert all(abs(auc - 0.5) < 0.12 for auc in by_chance.values())
    assert set(rare.values()) == {None}


def test_unknown_labels_do_not_count() -> None:
    labels = LABELS[:, :1].copy()
    labels[::3] = -1
    kept = labels[:, 0] >= 0
    films = [film for film, keep in zip(FILMS, kept) if keep]
    groups = [group for group, keep in zip(GROUPS, kept) if keep]
    full = cue_shortcuts(FILMS, labels, GROUPS)[0]
    assert full["device"] == pytest.approx(cue_shortcuts(films, labels[kept], groups)[0]["device"], abs=1e-9)


def test_pixels_are_learnt_in_training_and_judged_elsewhere() -> None:
    thumbnails = RNG.random((N, 32, 32)).astype(np.float32)
    thumbnails[:, 4:8, 4:8] += DEVICE[:, None, None]
    sections = ["training"] * 400 + ["validation"] * 100 + ["test"] * 100
    labels = np.column_stack([DEVICE, np.where(np.arange(N) < 450, DEVICE, -1), np.zeros(N, dtype=int)])
    found, masked, constant = pixel_shortcuts(thumbnails, labels, sections)
    assert found["validation"] > 0.95 and found["test"] > 0.95
    assert masked["validation"] > 0.95 and masked["test"] is None
    assert constant == {"validation": None, "test": None}
    shuffled = pixel_shortcuts(thumbnails, RNG.permutation(labels[:, :1]), sections)[0]
    assert abs(shuffled["test"] - 0.5) < 0.2


def test_every_part_has_whole_patients_of_either_kind() -> None:
    told = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        groups = np.sort(rng.integers(0, 40, 90))
        labels = rng.integers(0, 2, 90) * rng.integers(0, 2, 90)
        folds = _folds(labels, groups)
        if folds is None:
            assert min(len(np.unique(groups[labels == value])) for value in (0, 1)) < 20
            continue
        told += 1
        assert all({0, 1} <= set(labels[folds == fold].tolist()) for fold in range(5))
        assert all(len(np.unique(folds[groups == group])) == 1 for group in np.unique(groups))
        assert all(len(np.unique(labels[folds != fold])) == 2 for fold in range(5))
    assert 0 < told < 50
    assert _folds(np.array([1, 0]), np.array([0, 1])) is None
