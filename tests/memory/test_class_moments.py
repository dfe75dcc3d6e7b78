"""Sums of products per class."""

from __future__ import annotations

import numpy as np
import torch

from monai_memvit.memory.class_moments import ClassMoments


def test_equals_a_loop_over_the_cases():
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(30, 4)), generator.integers(-1, 3, 30)
    wanted = np.zeros((3, 5, 5))
    for feature, label in zip(features, labels):
        if label >= 0:
            wanted[label] += np.outer([*feature, 1], [*feature, 1])
    found = ClassMoments.of(torch.from_numpy(features), torch.from_numpy(labels), 3)
    np.testing.assert_allclose(found.gram.numpy(), wanted, rtol=0, atol=1e-12)
    assert found.counts.tolist() == [(labels == c).sum() for c in range(3)]


def test_many_cases_in_portions_equal_all_at_once(monkeypatch):
    features, labels = torch.randn(50, 3), torch.randint(2, (50,))
    whole = ClassMoments.of(features, labels, 2)
    monkeypatch.setattr("monai_memvit.memory.class_moments._ROWS", 7)
    torch.testing.assert_close(ClassMoments.of(features, labels, 2).gram, whole.gram, rtol=0, atol=1e-12)


def test_what_was_added_can_be_taken_away():
    features, labels = torch.randn(50, 3), torch.randint(2, (50,))
    moments = ClassMoments.of(features[:20], labels[:20], 2)
    before = moments.gram.clone()
    moments.add(features[20:], labels[20:])
    moments.subtract(features[20:], labels[20:])
    torch.testing.assert_close(moments.gram, before, rtol=0, atol=1e-9)


def test_class_weights_give_every_class_that_is_there_the_same():
    moments = ClassMoments.of(torch.randn(8, 3), torch.tensor([0, 0, 0, 0, 0, 0, 2, 2]), 4)
    assert moments.class_weights(balanced=True).tolist() == [4 / 6, 0, 4 / 2, 0]
    assert moments.class_weights(balanced=False).tolist() == [1, 0, 1, 0]


def test_classes_change_places_and_new_ones_have_no_cases():
    features, labels = torch.randn(8, 3), torch.arange(8) % 3
    moved = ClassMoments.of(features, labels, 3).moved([2, -1, 0], 4)
    wanted = ClassMoments.of(features, torch.tensor([2, -1, 0])[labels], 4)
    assert torch.equal(moved.gram, wanted.gram) and moved.counts.tolist() == [2, 0, 3, 0]
