"""The pre-norm block against MONAI's own."""

from __future__ import annotations

import torch
from monai.networks.blocks import TransformerBlock

from monai_memvit.networks.blocks import EncoderBlock, SoftmaxAttention


class _Recorder(torch.nn.Module):
    mask = None

    def forward(self, x, mask):
        self.mask = mask
        return torch.zeros_like(x)


def test_equals_monais_transformer_block_with_the_same_weights():
    torch.manual_seed(0)
    theirs = TransformerBlock(12, 24, 3, qkv_bias=True)
    ours = EncoderBlock(SoftmaxAttention(12, 3), 12, 24)
    weights = {name.replace("attn.", "attention."): t for name, t in theirs.state_dict().items()}
    ours.load_state_dict({name: weights[name] for name in ours.state_dict()})
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(x), theirs(x))


def test_attention_receives_the_mask():
    recorder, mask = _Recorder(), torch.ones(2, 5, dtype=torch.bool)
    EncoderBlock(recorder, 12, 24)(torch.randn(2, 5, 12), mask)
    assert recorder.mask is mask


def test_a_dropped_path_leaves_the_sample_as_it_was():
    torch.manual_seed(0)
    block, x = EncoderBlock(SoftmaxAttention(12, 3), 12, 24, drop_path_rate=0.5), torch.randn(64, 5, 12)
    untouched = (block(x) == x).flatten(1).all(1)
    assert 0 < untouched.sum() < 64
    assert not (block.eval()(x) == x).flatten(1).all(1).any()
