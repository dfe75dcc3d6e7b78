"""Splitting and joining heads."""

from __future__ import annotations

import torch

from monai_memvit.networks.layers import merge_heads, split_heads


def test_head_h_takes_its_own_slice_of_the_channels():
    x = torch.rand(2, 5, 12)
    heads = split_heads(x, 3)
    assert heads.shape == (2, 3, 5, 4)
    for h in range(3):
        assert torch.equal(heads[:, h], x[:, :, 4 * h : 4 * h + 4])


def test_merging_undoes_splitting():
    x = torch.rand(2, 5, 12)
    assert torch.equal(merge_heads(split_heads(x, 3)), x)
