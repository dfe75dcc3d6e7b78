"""Who is in the batch."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.memory import CaseContext


def test_ids_arrive_and_leave():
    context = CaseContext()
    samples, groups = torch.tensor([1, 2]), torch.tensor([3, 3])
    context.arrive(samples, groups)
    assert context.sample_ids is samples and context.group_ids is groups
    context.leave()
    assert context.sample_ids is None and context.group_ids is None


def test_without_groups_every_sample_is_its_own():
    context, samples = CaseContext(), torch.tensor([1, 2])
    context.arrive(samples)
    assert context.group_ids is samples


def test_anonymous_samples_replace_named_ones():
    context = CaseContext()
    context.arrive(torch.tensor([1]))
    context.arrive(None)
    assert context.sample_ids is None and context.group_ids is None


@pytest.mark.parametrize(
    ("samples", "groups", "message"),
    [
        (torch.tensor([1.0]), None, "sample_ids must be int64"),
        (torch.tensor([1], dtype=torch.int32), None, "sample_ids must be int64 ids, one per sample; got torch.int32"),
        (torch.tensor([[1]]), None, "sample_ids must be int64"),
        (torch.tensor([1]), torch.tensor(1), "group_ids must be int64"),
        (None, torch.tensor([1]), "group_ids came without sample_ids"),
        (torch.tensor([1, 2]), torch.tensor([1]), "2 sample_ids came with 1 group_ids"),
    ],
)
def test_bad_ids(samples, groups, message):
    with pytest.raises(ValueError, match=message):
        CaseContext().arrive(samples, groups)
