"""Ways to use few labels, on features whose classes are known."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.benchmarks.cases.case_features import CaseFeatures
from monai_memvit.benchmarks.cases.few_labels_readings import WAYS, FewLabels, _spread, read_few_labels

CLASSES = 3


def _cases(count: int, seed: int, first_id: int) -> CaseFeatures:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    centres = 2 * torch.eye(CLASSES, 6)
    features = centres[labels] + 0.7 * torch.randn(count, 6, generator=generator)
    logits = features[:, :CLASSES] + torch.randn(count, CLASSES, generator=generator)
    return CaseFeatures(features, logits, labels, torch.arange(count) // 4, torch.arange(first_id, first_id + count))


@pytest.fixture(scope="module")
def draw() -> FewLabels:
    parts = [_cases(24, 0, 0), _cases(90, 1, 100), _cases(60, 2, 1000)]
    return FewLabels(*parts, *parts)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_tells_classes_apart(draw, way):
    told = read_few_labels(way, draw, CLASSES)
    assert told.shape == (60, CLASSES) and told.dtype == torch.float64
    torch.testing.assert_close(told.sum(1), torch.ones(60, dtype=torch.float64))
    assert (told.argmax(1) == draw.asked.labels).double().mean() > 0.6


@pytest.mark.parametrize("way", WAYS)
def test_no_way_sees_labels_that_it_must_not(draw, way):
    hidden = {
        name: getattr(draw, name)._replace(labels=torch.zeros_like(getattr(draw, name).labels))
        for name in ("unlabelled", "asked", "tuned_unlabelled", "tuned_asked")
    }
    assert torch.equal(read_few_labels(way, draw, CLASSES), read_few_labels(way, draw._replace(**hidden), CLASSES))


def test_labels_spread_as_the_closed_form_says(draw):
    features, labels = torch.cat([draw.labelled.features, draw.unlabelled.features]).double(), draw.labelled.labels
    centred = torch.nn.functional.normalize(features - features.mean(0), dim=1)
    near = torch.zeros(len(features), len(features), dtype=torch.float64)
    for row, cosines in enumerate(centred @ centred.T):
        cosines[row] = -1
        near[row, cosines.argsort(descending=True)[:10]] = 1
    graph = ((near + near.T) > 0).double()
    root = graph.sum(0).rsqrt().diag()
    known = torch.zeros(len(features), CLASSES, dtype=torch.float64)
    known[torch.arange(len(labels)), labels] = 1
    spread = torch.linalg.solve(torch.eye(len(features)).double() - 0.9 * root @ graph @ root, known)
    wanted = (spread / spread.sum(0)).argmax(1)
    wanted[: len(labels)] = labels
    found = _spread(features.float(), labels, CLASSES)
    assert (found == wanted).double().mean() > 0.98  # the rounds are stopped before the limit
