"""Ways to use added cases: each against a plain reference, or on cases where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestCentroid

from monai_memvit.benchmarks.cases.case_features import CaseFeatures
from monai_memvit.benchmarks.cases.case_readings import READINGS, _mixture, read_cases
from monai_memvit.memory import CaseMemory

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


def _taught_without(new: int) -> tuple[CaseFeatures, CaseFeatures, CaseFeatures]:
    """Home, added and asked cases of a network that was never taught a class."""
    logits = [torch.where(torch.arange(3) == new, -torch.inf, cases.logits) for cases in (HOME, ADDED, ASKED)]
    home, added, asked = (cases._replace(logits=t) for cases, t in zip((HOME, ADDED, ASKED), logits))
    return home.where(home.labels != new), added, asked


@pytest.mark.parametrize("arm", ["memory, ridge", "memory, neighbours", "memory, mixture", "refitted head"])
@pytest.mark.parametrize("new", [0, 1, 2])
def test_a_class_that_only_added_cases_have_is_told(arm, new):
    told = read_cases(arm, *_taught_without(new), NAMES).argmax(1)
    assert (told == new)[ASKED.labels == new].float().mean() > 0.8
    assert (told == ASKED.labels).float().mean() > 0.8


def test_the_network_alone_gives_a_class_it_was_not_taught_no_probability():
    assert (read_cases("network alone", *_taught_without(1), NAMES)[:, 1] == 0).all()


def test_a_memory_of_a_new_class_is_that_of_a_network_without_it():
    """As in deployment: the head has two logits, and the added cases bring the third class."""
    home, added, asked = _taught_without(1)
    memory = CaseMemory(6, ["a", "c"], _mixture())
    known = home.logits[:, [0, 2]], added.logits[:, [0, 2]], asked.logits[:, [0, 2]]
    memory.extend(home.ids, home.features, known[0], home.labels // 2, home.groups, learned=True)
    memory.extend(added.ids, added.features, known[1], added.labels, added.groups, class_names=NAMES)
    assert memory.class_names == ["a", "c", "b"]
    told = read_cases("memory, mixture", home, added, asked, NAMES)
    torch.testing.assert_close(told[:, [0, 2, 1]], memory(asked.features, known[2]).double().exp(), rtol=0, atol=1e-5)


def test_the_cache_begins_a_new_class_at_the_least_logit():
    home, added, asked = _taught_without(1)
    least = asked.logits.clone()
    least[:, 1] = torch.minimum(asked.logits[:, 0], asked.logits[:, 2])
    told = read_cases("cache", home, added, asked, NAMES)
    wanted = read_cases("cache", home, added, asked._replace(logits=least), NAMES)
    assert torch.equal(told, wanted) and ((told.argmax(1) == 1) & (asked.labels == 1)).any()
