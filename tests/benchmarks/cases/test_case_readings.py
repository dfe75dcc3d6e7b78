"""Ways to use added cases: each against a plain reference, or on cases where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestCentroid

from monai_memvit.benchmarks.cases.case_features import CaseFeatures
from monai_memvit.benchmarks.cases.case_readings import READINGS, read_cases

NAMES = ["a", "b", "c"]


def _cases(count: int, seed: int, logits: float = 0.0) -> CaseFeatures:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    features = 2 * torch.eye(6)[labels] + 0.6 * torch.randn(count, 6, generator=generator)
    told = logits * torch.eye(3)[labels] + torch.randn(count, 3, generator=generator)
    return CaseFeatures(
        features, told, labels, torch.arange(count) // 3 + 1000 * seed, torch.arange(count) + 1000 * seed
    )


HOME, ADDED, ASKED = _cases(30, 0, 5.0), _cases(45, 1), _cases(60, 2)


@pytest.mark.parametrize("arm", READINGS)
def test_every_arm_gives_probabilities(arm):
    told = read_cases(arm, HOME, ADDED, ASKED, NAMES)
    assert told.shape == (60, 3) and told.dtype == torch.float64
    torch.testing.assert_close(told.sum(1), torch.ones(60, dtype=torch.float64), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "arm", [arm for arm in READINGS if arm not in ("network alone", "memory, ridge, labels shuffled")]
)
def test_arms_that_use_the_cases_beat_a_network_that_guesses(arm):
    right = (read_cases(arm, HOME, ADDED, ASKED, NAMES).argmax(1) == ASKED.labels).float().mean()
    alone = (read_cases("network alone", HOME, ADDED, ASKED, NAMES).argmax(1) == ASKED.labels).float().mean()
    assert right > alone + 0.2


def test_shuffled_labels_teach_nothing():
    told = read_cases(
        "memory, ridge, labels shuffled", HOME._replace(labels=torch.roll(HOME.labels, 1)), ADDED, ASKED, NAMES
    )
    assert (told.argmax(1) == ASKED.labels).float().mean() < 0.7


def test_prototypes_are_those_of_scikit_learn():
    unit = torch.nn.functional.normalize
    features = unit(torch.cat([HOME.features, ADDED.features]), dim=1)
    model = NearestCentroid().fit(features, torch.cat([HOME.labels, ADDED.labels]))
    cosines = cosine_similarity(ASKED.features, model.centroids_)
    told = read_cases("prototypes", HOME, ADDED, ASKED, NAMES)
    np.testing.assert_allclose(told, torch.from_numpy(cosines / 0.1).softmax(-1), atol=1e-5)


def test_the_cache_adds_to_the_logits_what_a_loop_adds():
    told = read_cases("cache", HOME, ADDED, ASKED, NAMES)
    logits = ASKED.logits[7].double().numpy().copy()
    for feature, label in zip(ADDED.features, ADDED.labels):
        cosine = torch.nn.functional.cosine_similarity(feature, ASKED.features[7], dim=0)
        logits[int(label)] += np.exp(-5.5 * (1 - float(cosine)))
    np.testing.assert_allclose(told[7], np.exp(logits) / np.exp(logits).sum(), atol=1e-5)


def test_a_class_that_only_added_cases_have_is_told():
    home = HOME.where(HOME.labels < 2)
    home = home._replace(logits=home.logits.clone())
    for cases in (home, ADDED, ASKED):
        cases.logits[:, 2] = torch.finfo(torch.float32).min / 4
    told = read_cases("memory, ridge", home, ADDED, ASKED, NAMES).argmax(1)
    assert (told == 2)[ASKED.labels == 2].float().mean() > 0.8
