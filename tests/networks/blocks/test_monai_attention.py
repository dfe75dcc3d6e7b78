"""MONAI's self-attention in three steps."""

from __future__ import annotations

import pytest
import torch
from monai.networks.blocks import SABlock

from monai_memvit.networks.blocks.monai_attention import SplitSABlock


def _in_steps(split: SplitSABlock, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    return split.merge(split.attend(*split.project(x), mask))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", [{}, {"qkv_bias": True}, {"attention_dtype": torch.float32}, {"dim_head": 6}])
def test_equals_the_whole_block_to_the_last_bit(options, masked):
    block, x = SABlock(12, 3, **options), torch.randn(2, 5, 12)
    mask = torch.tensor([[1] * 5, [1, 1, 0, 0, 1]]).bool() if masked else None
    assert torch.equal(_in_steps(SplitSABlock(block), x, mask), block(x, attn_mask=mask))


def test_dropout_draws_the_same_numbers():
    block, x = SABlock(12, 3, dropout_rate=0.3), torch.randn(2, 5, 12)
    torch.manual_seed(1)
    expected = block(x)
    torch.manual_seed(1)
    assert torch.equal(_in_steps(SplitSABlock(block), x), expected)


def test_saves_the_attention_where_monai_does():
    block, x = SABlock(12, 3, save_attn=True), torch.randn(2, 5, 12)
    block(x)
    expected = block.att_mat
    block.att_mat = None
    _in_steps(SplitSABlock(block), x)
    assert torch.equal(block.att_mat, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"causal": True, "sequence_length": 5},
        {"use_combined_linear": False},
        {"use_flash_attention": True},
        {"rel_pos_embedding": "decomposed", "input_size": (2, 2)},
    ],
)
def test_unsupported_paths_are_refused(options):
    with pytest.raises(ValueError, match="cannot memorize"):
        SplitSABlock(SABlock(12, 3, **options))
