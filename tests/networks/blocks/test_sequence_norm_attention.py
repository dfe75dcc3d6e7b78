"""Sequence-norm attention: its two forms against the definition, in parts, far from zero and in half precision."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from monai_memvit.networks.blocks import SequenceNormAttention
from monai_memvit.networks.layers import TokenMoments, split_heads

FORMS = [SequenceNormAttention.direct_form, SequenceNormAttention.gram_form]


@pytest.fixture
def layer() -> SequenceNormAttention:
    torch.manual_seed(0)
    made = SequenceNormAttention(12, 3).double()
    made.weight.data.normal_(1, 0.3)
    made.bias.data.normal_(0, 0.5)
    return made


def _tokens(count: int, batch: int = 2, offset: float = 1.0, width: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x, mix, sign = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((batch, count, width), (width, width), (width,))
    )
    x = x @ mix
    return x / x.std() + offset * sign.sign()


def _by_hand(layer: SequenceNormAttention, x: np.ndarray, by_hand) -> np.ndarray:
    """One sample ``(n, D)``, all valid."""
    state = {name: t.detach().double().numpy() for name, t in layer.state_dict().items()}
    q, k, v = (t.reshape(len(x), 3, 4).swapaxes(0, 1) for t in np.split(x @ state["qkv.weight"].T, 3, axis=1))
    received = np.concatenate(list(by_hand(q, k, v, state["weight"], state["bias"], layer.eps)), axis=1)
    return received @ state["out_proj.weight"].T + state["out_proj.bias"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tokens", [2, 7, 1500])
def test_each_form_equals_the_definition(layer, form, tokens, sequence_norm_by_hand):
    x, mask = _tokens(tokens), torch.arange(tokens) >= torch.tensor([[0], [tokens // 2]])
    out = form(layer, x.masked_fill(~mask[..., None], torch.nan), mask).detach().numpy()
    for b, valid in enumerate(mask.numpy()):
        expected = _by_hand(layer, x[b].numpy()[valid], sequence_norm_by_hand)
        np.testing.assert_allclose(out[b][valid], expected, atol=1e-9, rtol=1e-9)
        assert (out[b][~valid] == 0).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_each_form(form, masked):
    torch.manual_seed(0)
    small = SequenceNormAttention(4, 2).double()
    small.weight.data.normal_(1, 0.3)
    small.bias.data.normal_(0, 0.5)
    mask, x = torch.arange(6) >= torch.tensor([[0], [3]]) if masked else None, _tokens(6, width=4).requires_grad_()
    # The parameters are changed in place.
    assert torch.autograd.gradcheck(lambda *_: form(small, x, mask), (x, *small.parameters()), fast_mode=True)


@pytest.mark.parametrize(("more", "form"), [(-1, "direct_form"), (0, "gram_form"), (500, "gram_form")])
def test_the_number_of_tokens_chooses_the_form(layer, monkeypatch, more, form):
    monkeypatch.setattr(layer, form, lambda x, mask: "chosen")
    assert layer(_tokens(layer.gram_form_from + more)) == "chosen"


@pytest.mark.parametrize("form", FORMS)
def test_one_token_receives_what_the_offsets_say(layer, form):
    b_q, b_k, b_v = layer.bias.unflatten(1, (3, 4))
    expected = layer.out_proj(((b_q * b_k).sum(1, keepdim=True) * b_v).flatten()).expand(2, 1, 12)
    torch.testing.assert_close(form(layer, _tokens(1)), expected, atol=1e-10, rtol=1e-10)
    constant = _tokens(1).expand(-1, 30, -1)
    torch.testing.assert_close(form(layer, constant), expected.expand(-1, 30, -1), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_nearly_constant_channels_stay_finite(layer, form):
    x = (_tokens(300, offset=100) * torch.tensor([0, 1e-6, 1] * 4)).float().requires_grad_()
    layer = layer.float()
    out = form(layer, x)
    out.square().sum().backward()
    assert all(torch.isfinite(t).all() for t in (out, x.grad, *(p.grad for p in layer.parameters())))


@pytest.mark.parametrize("form", FORMS)
def test_constants_and_positive_scales_have_no_influence(layer, form):
    layer.eps, x = 0.0, _tokens(40)
    out = form(layer, x)
    torch.testing.assert_close(form(layer, x + 5), out, atol=1e-10, rtol=1e-10)
    layer.qkv.weight.data *= torch.rand(36, 1) + 0.1
    torch.testing.assert_close(form(layer, x), out, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_with_zero_query_offsets_the_token_mean_is_the_output_bias(layer, form):
    layer.bias.data[0] = 0
    torch.testing.assert_close(form(layer, _tokens(40)).mean(1), layer.out_proj.bias.expand(2, -1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("offset", [0, 10, 100, 1000])
@pytest.mark.parametrize("masked", [False, True])
def test_float32_is_exact_to_rounding_far_from_zero(form, offset, masked):
    torch.manual_seed(0)
    layer, x = SequenceNormAttention(192, 3), _tokens(400, offset=offset, width=192).float()
    mask = torch.arange(400) < torch.tensor([[400], [150]]) if masked else None
    expected = SequenceNormAttention.direct_form(copy.deepcopy(layer).double(), x.double(), mask)
    assert (form(layer, x, mask) - expected).norm() <= 2e-6 * expected.norm()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("offset", [1, 20])
def test_half_precision_with_many_tokens(layer, form, dtype, tolerance, offset):
    layer, x = layer.to(dtype), _tokens(100_000, batch=1, offset=offset).to(dtype)
    found = form(layer, x)
    expected = copy.deepcopy(layer).double().gram_form(x.double())
    assert found.dtype == dtype and (found - expected).norm() <= tolerance * expected.norm()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sizes", [[3000], [1, 2999], [1024, 1024, 952], [50] * 60])
@pytest.mark.parametrize("offset", [0, 1000])
def test_parts_of_any_size_in_any_order_are_the_whole(layer, sizes, masked, offset):
    layer, x = layer.float(), _tokens(3000, offset=offset).float()
    mask = torch.rand(2, 3000, generator=torch.Generator().manual_seed(2)) < 0.6 if masked else None
    masks = [None] * len(sizes) if mask is None else mask.split(sizes, 1)
    chunks = list(zip(x.split(sizes, 1), masks))
    expected = layer.gram_form(x, mask)
    for order in (chunks, chunks[::-1]):
        token_map = layer.collapse(TokenMoments.from_parts(TokenMoments.from_tokens(*chunk) for chunk in order))
        found = torch.cat([token_map(*chunk) for chunk in chunks], 1)
        assert (found - expected).norm() <= 1e-6 * expected.norm()


@pytest.mark.parametrize("piece", [1, 7, 64, 10**6])
def test_the_size_of_a_piece_is_irrelevant(layer, monkeypatch, piece):
    layer, x = layer.float(), _tokens(500, offset=100).float().requires_grad_()
    outputs = []
    for size in (1024, piece):
        monkeypatch.setattr("monai_memvit.networks.layers.token_passes._PIECE", size)
        out = layer.gram_form(x)
        outputs.append((out, *torch.autograd.grad(out.square().sum(), [x, *layer.parameters()])))
    for found, expected in zip(*outputs):
        assert (found - expected).norm() <= 1e-6 * expected.norm()


def test_moments_of_all_tokens_serve_any_of_them(layer):
    x = _tokens(40)
    moments, asking = TokenMoments.from_tokens(x), x[:, 5:8]
    expected = [t[:, :, 5:8] for t in layer.project(x)]
    expected.append(layer.attend(*layer.project(x))[:, :, 5:8])
    for found, wanted in zip(layer.project_among(moments, asking), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(layer.among(moments, asking), layer.direct_form(x)[:, 5:8], atol=1e-10, rtol=1e-10)


def test_the_gram_form_keeps_only_its_input_for_the_backward_pass(layer):
    x, kept = _tokens(5000).requires_grad_(), {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.setdefault(t.untyped_storage().data_ptr(), t.untyped_storage().nbytes()) and t, lambda t: t
    ):
        layer.gram_form(x * 1.0)
    assert sum(kept.values()) < 1.2 * x.numel() * 8


def test_its_memory_holds_normalised_heads(layer):
    for t, gain, offset in zip(layer.project(_tokens(50)), layer.weight, layer.bias):
        torch.testing.assert_close(t.mean(2), split_heads(offset[None, None], 3)[:, :, 0].expand(2, -1, -1))
        torch.testing.assert_close(
            t.std(2, correction=0), split_heads(gain[None, None], 3)[:, :, 0].expand(2, -1, -1), atol=1e-3, rtol=1e-3
        )


@pytest.mark.parametrize("mask", [None, torch.zeros(2, 0, dtype=torch.bool)])
def test_no_token_is_an_error(layer, mask):
    with pytest.raises(ValueError, match=r"over no token is not defined, got x \(2, 0, 12\)"):
        layer(_tokens(4)[:, :0], mask)


@pytest.mark.parametrize("form", ["direct_form", "gram_form"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_tokens_meet_float32_weights(layer, form, dtype):
    layer, x = layer.float(), _tokens(50).to(dtype)
    found, expected = getattr(layer, form)(x), getattr(layer, form)(x.float())
    assert found.dtype == dtype and torch.equal(found, expected.to(dtype))


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [9, 500])
def test_compiled_inference_gives_the_same_numbers(layer, tokens):
    layer, x = layer.float().eval(), _tokens(tokens).float()
    compiled = torch.compile(layer, backend="aot_eager")
    with torch.no_grad():
        for mask in (None, torch.arange(tokens) < torch.tensor([[tokens], [5]])):
            torch.testing.assert_close(compiled(x, mask), layer(x, mask), atol=1e-5, rtol=1e-5)
