"""One class per image, by the rarest finding it shows."""

from __future__ import annotations

import numpy as np

from monai_memvit.data.strata import rarest_finding


def test_the_rarest_finding_of_each_image_counts() -> None:
    labels = [[1, 1, 0, 0], [1, 0, -1, 0], [0, 0, 0, -1], [1, 1, 1, 0], [-1, 1, 0, 0]]
    assert rarest_finding(labels).tolist() == [0, 0, 4, 2, 1]  # 3, 3, 1 and 0 images show them


def test_against_a_loop() -> None:
    labels = np.random.default_rng(0).choice([-1, 0, 1], (300, 6), p=[0.2, 0.6, 0.2])
    counts = [(labels[:, k] == 1).sum() for k in range(6)]
    expected = [min((counts[k], k) for k in range(6) if row[k] == 1)[1] if 1 in row else 6 for row in labels]
    assert rarest_finding(labels).tolist() == expected
