"""Scores without a case's own group, group by group, against heads that are made of the other cases alone."""

import pytest
import torch
from torch.nn.functional import one_hot

from monai_memvit.memory.case_rows import CaseRows
from monai_memvit.memory.readouts.left_out import LinearHead, left_out_scores


def _head(features: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, penalty: float) -> LinearHead:
    wide = torch.cat([features.double(), torch.ones(len(features), 1).double()], dim=1)
    weighted = wide * weights[labels][:, None]
    system = weighted.T @ wide + penalty * torch.eye(wide.shape[1]).double()
    targets = weighted.T @ one_hot(labels, len(weights)).double()
    return LinearHead(torch.linalg.solve(system, targets), system, targets, penalty)


@pytest.mark.parametrize("sizes", [[3] * 9, [1, 2, 3, 4, 30, 5], [40, 25]], ids=["equal", "mixed", "large"])
def test_equal_to_heads_without_the_group(sizes):
    torch.manual_seed(0)
    groups = torch.repeat_interleave(torch.randperm(len(sizes)), torch.tensor(sizes))[torch.randperm(sum(sizes))]
    count = len(groups)
    labels, features = torch.arange(count) % 3, torch.randn(count, 8)
    cases = CaseRows(torch.arange(count), groups, labels, torch.zeros(count) > 0, features, torch.zeros(count, 3))
    weights, judged = torch.tensor([0.5, 1.0, 2.0]).double(), torch.randperm(count)[: count // 2]
    heads = [_head(features, labels, weights, penalty) for penalty in (0.1, 5.0)]
    for head, found in zip(heads, left_out_scores(heads, weights, cases, judged), strict=True):
        for place, row in enumerate(judged):
            others = groups != groups[row]
            refit = _head(features[others], labels[others], weights, head.penalty)
            wanted = torch.cat([features[row].double(), torch.ones(1).double()]) @ refit.weight
            torch.testing.assert_close(found[place], wanted, rtol=0, atol=1e-9)
