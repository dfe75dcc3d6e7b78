"""The two passes over all tokens against plain einsum."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from monai_memvit.networks.layers import offset_gram, offset_linear, wide

PIECE = "monai_memvit.networks.layers.token_passes._PIECE"


def _draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _plain_gram(x: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    offsets = (x - reference) * mask[..., None]
    return offsets.sum(1), torch.einsum("bti,btj->bij", offsets, offsets)


@pytest.mark.parametrize("batch", [1, 2, 1500])
@pytest.mark.parametrize("tokens", [0, 1, 511, 512, 513, 2050])
@pytest.mark.parametrize("width", [1, 6, 7])
def test_both_equal_einsum(batch, tokens, width):
    tokens = min(tokens, 3) if batch > 1000 else tokens
    x, reference = _draw(batch, tokens, width) + 3, _draw(batch, 1, width, seed=1)
    mask = torch.rand(batch, tokens) < 0.7
    for found, expected in zip(offset_gram(x, reference, mask), _plain_gram(x, reference, mask)):
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-12)
    matrix, offset = _draw(batch, width, 5, seed=2), _draw(batch, 1, 5, seed=3)
    expected = (torch.einsum("btd,bde->bte", x - reference, matrix) + offset) * mask[..., None]
    torch.testing.assert_close(offset_linear(x, reference, matrix, offset, mask), expected, atol=1e-10, rtol=1e-12)


@pytest.mark.parametrize("piece", [1, 4, 100])
@pytest.mark.parametrize("mask", [None, torch.tensor([[True, False, True, True, False], [False] * 5])])
def test_gradients(monkeypatch, piece, mask):
    monkeypatch.setattr(PIECE, piece)
    x, reference, matrix, offset = (
        _draw(*shape, seed=i).requires_grad_() for i, shape in enumerate([(2, 5, 3), (2, 1, 3), (2, 3, 4), (2, 1, 4)])
    )
    assert torch.autograd.gradcheck(lambda *t: offset_gram(*t, mask), (x, reference))
    assert torch.autograd.gradcheck(lambda *t: offset_linear(*t, mask), (x, reference, matrix, offset))


def _gram(x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    return offset_gram(x, torch.ones(len(x), 1, x.shape[2], dtype=wide(x).dtype), mask)[1]


def _linear(x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    ones = torch.ones(len(x), 1, x.shape[2], dtype=wide(x).dtype)
    return offset_linear(
        x, ones, torch.arange(4.0).to(ones).expand(len(x), x.shape[2], 4), ones[..., :1].expand(-1, -1, 4), mask
    )


@pytest.mark.parametrize("function", [_gram, _linear])
@pytest.mark.parametrize("junk", [torch.nan, torch.inf, 1e30])
def test_padding_has_no_influence(function, junk):
    mask, x = torch.rand(2, 1500) < 0.5, _draw(2, 1500, 6)
    clean, dirty = (x.masked_fill(~mask[..., None], value).requires_grad_() for value in (0.0, junk))
    for tokens in (clean, dirty):
        function(tokens, mask).square().mean().backward()
    assert torch.equal(function(dirty, mask), function(clean, mask))
    assert torch.equal(dirty.grad, clean.grad) and (dirty.grad[~mask] == 0).all()


LAYOUTS = [lambda x: x.mT.contiguous().mT, lambda x: x.repeat(1, 2, 1)[:, ::2], lambda x: x[:, :1].expand_as(x)]


@pytest.mark.parametrize("function", [_gram, _linear])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(function, layout: Callable[[torch.Tensor], torch.Tensor]):
    strange = layout(_draw(2, 1500, 6)).detach().requires_grad_()
    plain = strange.detach().contiguous().requires_grad_()
    for tokens in (strange, plain):
        function(tokens).square().mean().backward()
    torch.testing.assert_close(function(strange), function(plain))
    torch.testing.assert_close(strange.grad, plain.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_sums_in_float32(dtype):
    x = torch.full((1, 100_000, 2), 3.0, dtype=dtype, requires_grad=True)
    gram, out = _gram(x), _linear(x)
    assert gram.dtype == torch.float32 and (gram == 400_000).all()
    assert out.dtype == dtype and torch.equal(out[0, 0].float(), 1 + 4 * torch.arange(4.0))
    (gram.sum() / 100_000 + out.float().sum()).backward()
    assert x.grad.dtype == dtype and (x.grad == 2 * 2 * 2 * 2 / 100_000 + 6).all()


@pytest.mark.parametrize("function", [_gram, _linear])
def test_only_the_tokens_are_kept_for_the_backward_pass(function):
    x, kept = torch.randn(2, 5000, 6, requires_grad=True), {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.setdefault(t.data_ptr(), t.numel()) and t, lambda t: t
    ):
        function(x * 1.0)
    assert sum(kept.values()) < 1.1 * x.numel()
