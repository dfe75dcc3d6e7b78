"""The decoder of hidden tokens: order, mask token, channels."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.networks.blocks import MaskedDecoder


def decoder(**options) -> MaskedDecoder:
    torch.manual_seed(0)
    made = MaskedDecoder(12, 5, **{"hidden_size": 24, "mlp_dim": 32, "num_heads": 3, **options}).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


@pytest.mark.parametrize("leading", [0, 1])
def test_the_order_of_visible_tokens_is_irrelevant(leading: int) -> None:
    net, visible = decoder(), torch.tensor([[0, 4, 5], [2, 1, 3]])
    seen = torch.randn(2, leading + 3, 12)
    order = torch.tensor([2, 0, 1])
    shuffled = torch.cat([seen[:, :leading], seen[:, leading:][:, order]], 1)
    expected = net(seen, visible, (2, 3))
    assert expected.shape == (2, 6, 5)
    torch.testing.assert_close(net(shuffled, visible[:, order], (2, 3)), expected)


def test_every_token_stands_at_its_place_before_the_first_block() -> None:
    net, heard = decoder(num_layers=1, tokens_per_patch=2), []
    net.blocks[0].register_forward_pre_hook(lambda _, args: heard.append(args[0]))
    seen, visible = torch.randn(1, 3, 12), torch.tensor([[7, 2]])
    net(seen, visible, (2, 2))
    assert heard[0].shape == (1, 9, 24)  # class token, two channels of four patches
    places = net.positions((2, 2), 0, 2)[0]
    for token in range(8):
        at = visible[0].tolist().index(token) + 1 if token in visible else None
        content = net.mask_token[0, 0] if at is None else net.embed(seen[0, at])
        torch.testing.assert_close(heard[0][0, 1 + token], content + places[token % 4] + net.channels[token // 4, 0])
    torch.testing.assert_close(heard[0][0, 0], net.embed(seen[0, 0]))


def test_invalid_tokens_have_no_influence() -> None:
    net, visible = decoder(), torch.tensor([[0, 3]])
    seen = torch.randn(1, 2, 12)
    valid = torch.tensor([[True, True, True, False]])
    expected = net(seen, visible, (2, 2), valid)
    seen[:, 1] = torch.randn(12)
    torch.testing.assert_close(net(seen, visible, (2, 2), valid)[:, :3], expected[:, :3])


def test_a_width_that_positions_cannot_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 6"):
        decoder(hidden_size=32, num_heads=4, spatial_dims=3)
