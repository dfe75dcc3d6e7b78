"""What holds for every self-attention, whatever its maths: padding, batches, order, layout, precision, repetition."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch

from monai_memvit.networks.blocks import (
    FeatureMapAttention,
    SelfAttention,
    SequenceNormAttention,
    SimaAttention,
    SoftmaxAttention,
)


class _Direct(SequenceNormAttention):
    gram_form_from = 10**9


class _Gram(SequenceNormAttention):
    gram_form_from = 0


BARE = partial(FeatureMapAttention, normalize=False)
ATTENTIONS = [SoftmaxAttention, SimaAttention, FeatureMapAttention, BARE, _Direct, _Gram]
NAMES = ["softmax", "sima", "feature_map", "bare", "direct", "gram"]


@pytest.fixture(params=ATTENTIONS, ids=NAMES)
def attention(request) -> SelfAttention:
    torch.manual_seed(0)
    made = request.param(12, 3).double()
    for parameter in made.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return made


@pytest.fixture
def x() -> torch.Tensor:
    return 1 + torch.randn(3, 9, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


MASK = torch.arange(9) % 4 < torch.tensor([[4], [2], [1]])


def _gradients(attention: SelfAttention, loss: torch.Tensor) -> list[torch.Tensor]:
    attention.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in attention.parameters()]


@pytest.mark.parametrize("junk", [torch.nan, torch.inf, -torch.inf, 1e30])
def test_a_padded_batch_is_a_loop_over_its_samples(attention, x, junk):
    wanted = torch.randn_like(x)
    padded = x.masked_fill(~MASK[..., None], junk).requires_grad_()
    out = attention(padded, MASK)
    found = _gradients(attention, (out * wanted).sum())
    alone = x.clone().requires_grad_()
    loop = [attention(alone[b : b + 1, valid]) for b, valid in enumerate(MASK)]
    expected = _gradients(attention, sum((o[0] * w[m]).sum() for o, w, m in zip(loop, wanted, MASK)))
    torch.testing.assert_close(out[MASK], torch.cat(loop, 1)[0], atol=1e-10, rtol=1e-10)
    assert (out[~MASK] == 0).all()
    for ours, theirs in zip([*found, padded.grad], [*expected, alone.grad]):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("junk", [0.0, torch.nan])
def test_a_sample_without_a_valid_token_gives_zeros_and_disturbs_nobody(attention, x, junk):
    empty = x.masked_fill(torch.tensor([False, True, False])[:, None, None], junk).requires_grad_()
    mask = torch.tensor([[True], [False], [True]]).expand(3, 9)
    out = attention(empty, mask)
    assert (out[1] == 0).all()
    torch.testing.assert_close(out[[0, 2]], attention(x[[0, 2]]), atol=1e-10, rtol=1e-10)
    gradients = _gradients(attention, out.square().sum())
    assert all(torch.isfinite(t).all() for t in (*gradients, empty.grad)) and (empty.grad[1] == 0).all()


def test_a_sample_does_not_depend_on_the_others_of_its_batch(attention, x):
    torch.testing.assert_close(attention(x)[1:2], attention(x[1:2]), atol=1e-12, rtol=1e-12)
    broken = x.clone()
    broken[0, 3] = torch.nan
    for mask in (None, MASK):
        torch.testing.assert_close(attention(broken, mask)[1:], attention(x, mask)[1:], atol=1e-12, rtol=1e-12)


def test_permuted_tokens_give_permuted_outputs(attention, x):
    order = torch.randperm(9)
    permuted = attention(x[:, order], MASK[:, order])
    torch.testing.assert_close(permuted, attention(x, MASK)[:, order], atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("repeats", [2, 8])
def test_repeated_tokens(attention, x, repeats):
    attention.out_proj.bias.data.zero_()
    bare = isinstance(attention, FeatureMapAttention) and not attention.normalize
    power = -1 if isinstance(attention, SimaAttention) else int(bare)
    found, once = attention(x.repeat(1, repeats, 1)), attention(x)
    tolerance = 1e-5 if isinstance(attention, FeatureMapAttention) else 1e-10  # its eps does not grow along
    torch.testing.assert_close(found[:, :9], float(repeats) ** power * once, atol=tolerance, rtol=tolerance)


def test_training_is_evaluation_but_for_dropout(attention, x):
    assert torch.equal(attention.train()(x, MASK), attention.eval()(x, MASK))
    attention.out_dropout.p = 0.5
    assert torch.equal(attention(x), attention(x))
    attention.train()
    assert not torch.equal(attention(x), attention(x)) and (attention(x, MASK)[~MASK] == 0).all()


@pytest.mark.parametrize(
    "layout", [lambda x: x.mT.contiguous().mT, lambda x: x.repeat(1, 2, 1)[:, ::2], lambda x: x[:1].expand(3, -1, -1)]
)
def test_layouts(attention, x, layout):
    strange = layout(x).detach().requires_grad_()
    plain = strange.detach().contiguous().requires_grad_()
    found, expected = (_gradients(attention, attention(t, MASK).square().sum()) for t in (strange, plain))
    for ours, theirs in zip([*found, strange.grad], [*expected, plain.grad]):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("batch", [0, 1])
def test_few_samples_and_one_token(attention, x, batch):
    out = attention(x[:batch, :1])
    assert out.shape == (batch, 1, 12) and torch.isfinite(out).all()


def test_bfloat16_autocast_stays_near_float32(attention, x):
    attention, x = attention.float(), x.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attention(x, MASK)
        gradients = _gradients(attention, found.float().square().sum())
    expected = attention(x, MASK)
    assert (found - expected).norm() <= 0.03 * expected.norm()
    for ours, theirs in zip(gradients, _gradients(attention, expected.square().sum())):
        assert ours.dtype == torch.float32 and (ours - theirs).norm() <= 0.1 * theirs.norm() + 1e-6


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.01), (torch.bfloat16, 0.06)])
def test_half_precision(attention, x, dtype, tolerance):
    half = copy.deepcopy(attention).to(dtype)
    found, expected = half(x.to(dtype), MASK), attention(x, MASK)
    assert found.dtype == dtype and (found - expected).norm() <= tolerance * expected.norm()


@pytest.mark.parametrize("shape", [(3, 8), (1, 9), (3, 9, 9)])
def test_a_mask_of_another_shape_is_refused(attention, x, shape):
    with pytest.raises(ValueError, match=r"does not fit tokens \(3, 9, 12\)"):
        attention(x, torch.ones(shape, dtype=torch.bool))


@pytest.mark.parametrize("make", ATTENTIONS, ids=NAMES)
@pytest.mark.parametrize(("arguments", "message"), [((10, 3), "10 is not divisible"), ((9, 3, 2.0), "2.0 is outside")])
def test_bad_arguments(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments)
