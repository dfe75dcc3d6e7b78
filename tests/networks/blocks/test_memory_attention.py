"""The properties of a memory block against independent references (closed forms and NumPy loops)."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from monai_memvit.memory import MemoryBank
from monai_memvit.networks.blocks import MemoryAttention, SoftmaxAttention
from monai_memvit.networks.layers import attention_fact, mean_token_fact


def _brute_force(layer: MemoryAttention, x: torch.Tensor, banned=lambda sample, row: False) -> torch.Tensor:
    """Every query over its top-k facts, fact by fact, in float64."""
    exact = copy.deepcopy(layer.local).double()
    q, k, v = exact.project(x.double())
    out, q = exact.attend(q, k, v).detach().numpy(), q.detach().numpy()
    keys, values = layer.bank.keys.double().numpy(), layer.bank.values.double().numpy()
    gates = 1 / (1 + np.exp(-layer.gate_bias.detach().double().numpy()))
    for b, h, t in np.ndindex(q.shape[:3]):
        if layer.query_tokens is not None and t >= layer.query_tokens:
            continue
        rows = [row for row in range(len(keys)) if not banned(b, row)]
        rows = sorted(rows, key=lambda row: -(keys[row, h] @ q[b, h, t]))[: layer.num_neighbors]
        if not rows:
            continue
        weights = np.exp(keys[rows, h] @ q[b, h, t] / np.sqrt(q.shape[-1]))
        read = weights / weights.sum() @ values[rows, h]
        out[b, h, t] = (1 - gates[h]) * out[b, h, t] + gates[h] * read
    return exact.merge(torch.from_numpy(out)).float()


def _answer(layer: MemoryAttention, x: torch.Tensor, ids=None, groups=None) -> torch.Tensor:
    as_ids = [None if i is None else torch.tensor(i) for i in (ids, groups)]
    layer.context.arrive(*as_ids)
    out = layer(x)
    layer.context.leave()
    return out


def _plain(layer: MemoryAttention, x: torch.Tensor) -> torch.Tensor:
    return layer.local(x)


def _set_gate(layer: MemoryAttention, bias: float) -> MemoryAttention:
    layer.gate_bias.data.fill_(bias)
    return layer


# (1) without anything to read it is the plain block, to the last bit


def test_empty_bank_is_plain_attention(make_memory_attention, x):
    layer = make_memory_attention()
    assert torch.equal(layer(x), _plain(layer, x))


def test_closed_gate_is_plain_attention(make_memory_attention, x):
    layer = _set_gate(make_memory_attention(6), -torch.inf)
    assert torch.equal(layer(x), _plain(layer, x))


@pytest.mark.parametrize("switch", ["reading", "reading_in_training"])
def test_reading_switched_off_is_plain_attention(make_memory_attention, x, switch):
    layer = make_memory_attention(6).train()
    setattr(layer, switch, False)
    assert not layer.reads
    assert torch.equal(layer(x), _plain(layer, x))


def test_reading_in_training_does_not_concern_evaluation(make_memory_attention, x):
    layer = make_memory_attention(6)
    layer.reading_in_training = False
    assert layer.reads and not torch.equal(layer(x), _plain(layer, x))


def test_all_facts_excluded_is_plain_attention_with_its_gradients(make_memory_attention, x):
    layer = make_memory_attention(6, groups=[9] * 6).train()
    found = _answer(layer, x, [0, 1], [9, 9])
    assert torch.equal(found, _plain(layer, x))
    found.square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in layer.local.named_parameters()}
    assert torch.equal(layer.gate_bias.grad, torch.zeros(3))
    layer.zero_grad()
    _plain(layer, x).square().sum().backward()
    for name, p in layer.local.named_parameters():
        torch.testing.assert_close(gradients[name], p.grad)


# (2) (3) (4) (5) the maths


@pytest.mark.parametrize("query_tokens", [None, 1])
@pytest.mark.parametrize("neighbors", [1, 3, 100])
def test_equals_brute_force_over_the_top_k(make_memory_attention, x, neighbors, query_tokens):
    layer = make_memory_attention(17, num_neighbors=neighbors, query_tokens=query_tokens)
    torch.testing.assert_close(layer(x), _brute_force(layer, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("neighbors", [3, 17])
def test_open_gate_is_attention_over_the_memory_alone(make_memory_attention, x, neighbors):
    layer = _set_gate(make_memory_attention(17, num_neighbors=neighbors), torch.inf)
    torch.testing.assert_close(layer(x), _brute_force(layer, x), atol=1e-5, rtol=1e-5)


def test_k_of_all_facts_equals_torchs_attention_over_the_bank(make_memory_attention, x):
    layer = _set_gate(make_memory_attention(17, num_neighbors=17), torch.inf)
    keys, values = (t.transpose(0, 1).expand(2, -1, -1, -1) for t in (layer.bank.keys, layer.bank.values))
    read = torch.nn.functional.scaled_dot_product_attention(layer.local.project(x)[0], keys, values)
    torch.testing.assert_close(layer(x), layer.local.merge(read))


def test_one_neighbor_gives_the_value_of_the_best_key(make_memory_attention, x):
    layer = _set_gate(make_memory_attention(17, num_neighbors=1), torch.inf)
    best = torch.einsum("bhtd,shd->bhts", layer.local.project(x)[0], layer.bank.keys).argmax(-1)
    read = torch.stack([layer.bank.values[best[:, h], h] for h in range(3)], dim=1)
    torch.testing.assert_close(layer(x), layer.local.merge(read))


def test_a_single_fact_is_read_by_every_query(make_memory_attention, x):
    layer = _set_gate(make_memory_attention(1), torch.inf)
    read = layer.bank.values[0][None, :, None].expand(2, 3, 5, 4)
    torch.testing.assert_close(layer(x), layer.local.merge(read))


# token by token, where all tokens retrieve more than is to be held at once


def _output_and_gradients(layer: MemoryAttention, x: torch.Tensor) -> list[torch.Tensor]:
    tokens = x.clone().requires_grad_()
    out = _answer(layer, tokens, [0, 1], [10, 11])
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    return [out, tokens.grad, *(p.grad for p in layer.parameters())]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("turns", [2, 5])
def test_reading_in_turns_is_reading_at_once_to_the_last_bit(make_memory_attention, x, training, turns):
    options = {"groups": [10, 11] * 8, "num_neighbors": 12}  # 8 of another group: some of the 12 are missing
    facts = x.shape[0] * 3 * x.shape[1] * 12 * 2 * 4 * 4
    at_once = make_memory_attention(16, **options, max_bytes=facts).train(training)
    in_turn = make_memory_attention(16, **options, max_bytes=-(-facts // turns)).train(training)
    calls, attend = [], in_turn._attend_rows
    in_turn._attend_rows = lambda *found: calls.append(found[0].shape[2]) or attend(*found)
    for found, wanted in zip(_output_and_gradients(in_turn, x), _output_and_gradients(at_once, x)):
        assert torch.equal(found, wanted)
    widths = {2: [3, 2], 5: [1] * 5}[turns]
    # In training what was gathered is let go, and gathered again on the way back.
    assert sorted(calls) == sorted(widths * 2 if training else widths)


@pytest.mark.parametrize("max_bytes", [1, 2**25])
def test_any_budget_equals_brute_force(make_memory_attention, x, max_bytes):
    layer = make_memory_attention(17, num_neighbors=5, max_bytes=max_bytes)
    torch.testing.assert_close(layer(x), _brute_force(layer, x), atol=1e-5, rtol=1e-5)


def test_gathered_facts_are_not_kept_for_the_backward_pass(make_memory_attention, x):
    def largest_kept(max_bytes: int) -> int:
        layer, kept = make_memory_attention(17, num_neighbors=17, exclude="none", max_bytes=max_bytes).train(), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            layer(x)
        return max(kept)

    assert largest_kept(2**25) == 2 * 3 * 5 * 17 * 4 > largest_kept(1)


def test_the_class_token_reads_directly_whatever_the_budget(make_memory_attention, x, monkeypatch):
    layer = make_memory_attention(17, query_tokens=1, exclude="none", max_bytes=1).train()
    monkeypatch.setattr("monai_memvit.networks.blocks.memory_attention.checkpoint", None)
    assert torch.isfinite(layer(x)).all()


# (6) exclusion while training


@pytest.mark.parametrize(
    ("exclude", "banned"),
    [
        ("id", lambda sample, row: row == sample),
        ("group", lambda sample, row: row % 2 == sample),
        ("none", lambda sample, row: False),
    ],
)
def test_exclusion_equals_brute_force(make_memory_attention, x, exclude, banned):
    layer = make_memory_attention(8, groups=[10, 11] * 4, num_neighbors=5, exclude=exclude).train()
    expected = _brute_force(layer, x, banned)
    torch.testing.assert_close(_answer(layer, x, [0, 1], [10, 11]), expected, atol=1e-5, rtol=1e-5)


def test_evaluation_excludes_nothing(make_memory_attention, x):
    layer = make_memory_attention(8, groups=[10, 11] * 4)
    assert torch.equal(_answer(layer, x, [0, 1], [10, 11]), layer(x))


def test_evaluation_excludes_as_training_does_where_its_facts_are_written(make_memory_attention, x):
    layer = make_memory_attention(8, groups=[10, 11] * 4)
    trained = _answer(layer.train(), x, [0, 1], [10, 11])
    layer.eval().writing = True
    assert torch.equal(_answer(layer, x, [0, 1], [10, 11]), trained)
    with pytest.raises(ValueError, match="needs sample_ids"):
        layer(x)


@pytest.mark.parametrize("facts", [6, 600])
@pytest.mark.parametrize(("exclude", "poisoned"), [("id", [0]), ("group", [0, 1, 2])])
@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_poison_in_excluded_facts_changes_neither_output_nor_gradients(
    make_memory_attention, x, facts, exclude, poisoned, poison
):
    groups = [10] * 3 + [11] * (facts - 3)
    results = []
    for value in (None, poison):
        layer = make_memory_attention(facts, groups=groups, exclude=exclude).train()
        tokens = x.clone().requires_grad_()
        if value is not None:
            layer.bank.keys[poisoned] = layer.bank.values[poisoned] = value
        out = _answer(layer, tokens, [0, 0], [10, 10])
        out.square().sum().backward()
        results.append([out, tokens.grad, *(p.grad for p in layer.parameters())])
    for clean, found in zip(*results):
        assert torch.isfinite(clean).all() and torch.equal(clean, found)


def test_a_filled_memory_without_ids_is_an_error_only_while_training(make_memory_attention, x):
    layer = make_memory_attention(6)
    layer(x)
    with pytest.raises(ValueError, match="needs sample_ids"):
        layer.train()(x)
    layer.exclude = "none"
    layer(x)


# (7) gradients


def test_no_gradient_reaches_the_bank_and_the_gate_has_its_closed_form(make_memory_attention, x):
    layer = make_memory_attention(17, num_neighbors=4)
    open_gate, closed_gate = (_set_gate(copy.deepcopy(layer), b).double() for b in (torch.inf, -torch.inf))
    target = torch.randn(2, 5, 12).double()
    layer = layer.double()
    layer.bank.keys.requires_grad_()
    layer.bank.values.requires_grad_()
    (layer(x.double()) * target).sum().backward()
    assert layer.bank.keys.grad is None and layer.bank.values.grad is None

    # g (1 - g) <dL/do, o_mem - o_loc> head by head, where L is linear in o through W_o.
    for extreme in (open_gate, closed_gate):
        extreme.local.merge = lambda heads: heads
    difference = (open_gate(x.double()) - closed_gate(x.double())).detach()
    upstream = (target @ layer.local.out_proj.weight).unflatten(-1, (3, 4)).transpose(1, 2)
    gate = layer.gate_bias.sigmoid()
    expected = gate * (1 - gate) * (upstream * difference).sum((0, 2, 3))
    torch.testing.assert_close(layer.gate_bias.grad, expected, rtol=1e-5, atol=1e-6)


def test_gradient_of_the_input_agrees_with_finite_differences(make_memory_attention, x):
    layer = make_memory_attention(17, num_neighbors=17)
    tokens, direction = x[:1].clone().requires_grad_(), x[1:]
    layer(tokens).square().sum().backward()
    step = 1e-5
    there, back = (_brute_force_loss(layer, x[:1].double() + sign * step * direction.double()) for sign in (1, -1))
    slope = (there - back) / (2 * step)
    torch.testing.assert_close((tokens.grad * direction).sum().double(), slope, rtol=1e-3, atol=1e-3)


def _brute_force_loss(layer: MemoryAttention, x: torch.Tensor) -> torch.Tensor:
    exact = copy.deepcopy(layer.local).double()
    q, k, v = exact.project(x)
    keys, values = layer.bank.keys.double(), layer.bank.values.double()
    read = torch.einsum("bhts,shd->bhtd", (torch.einsum("bhtd,shd->bhts", q, keys) / 2).softmax(-1), values)
    gate = layer.gate_bias.double().sigmoid().view(1, 3, 1, 1)
    return exact.merge((1 - gate) * exact.attend(q, k, v) + gate * read).square().sum().detach()


# (9) (10) the bank is a set, and evaluation leaves it alone


def test_order_of_the_bank_does_not_matter(make_memory_attention, x):
    layer = make_memory_attention(17, num_neighbors=4)
    expected = layer(x)
    order = torch.randperm(17)
    for name in ("ids", "groups", "keys", "values"):
        setattr(layer.bank, name, getattr(layer.bank, name)[order])
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("training", [False, True])
def test_a_forward_pass_never_changes_the_bank(make_memory_attention, x, training):
    layer = make_memory_attention(6).train(training)
    before = copy.deepcopy(layer.bank.state_dict())
    _answer(layer, x, [0, 1], [0, 1])
    assert all(torch.equal(before[name], rows) for name, rows in layer.bank.state_dict().items())


# what it leaves behind


@pytest.mark.parametrize("fact", [attention_fact, mean_token_fact])
def test_snapshot_holds_the_samples_facts(make_memory_attention, x, fact):
    layer = make_memory_attention(fact=fact)
    _answer(layer, x, [5, 6], [7, 8])
    expected = fact(*layer.local.project(x))
    assert layer.latest.ids.tolist() == [5, 6] and layer.latest.groups.tolist() == [7, 8]
    for found, wanted in zip(layer.latest[2:], expected):
        assert torch.equal(found, wanted) and not found.requires_grad


def test_anonymous_samples_leave_no_snapshot_not_even_an_old_one(make_memory_attention, x):
    layer = make_memory_attention()
    _answer(layer, x, [5, 6])
    layer(x)
    assert layer.latest is None


# numerics and arguments


def test_bfloat16_autocast_stays_near_float32(make_memory_attention, x):
    layer = make_memory_attention(17, num_neighbors=17)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = _answer(layer, x, [0, 1])
    assert out.dtype == torch.bfloat16 and layer.latest.keys.dtype == torch.float32
    torch.testing.assert_close(out.float(), layer(x), atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exclude": "patient"}, "'patient'"),
        ({"num_neighbors": 0}, "got 0"),
        ({"max_bytes": 0}, "max_bytes must be at least 1, got 0"),
        ({"bank": MemoryBank(2, 4)}, "2 x 4 does not fit 3 heads of 4"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MemoryAttention(SoftmaxAttention(12, 3), **arguments)


def test_a_given_bank_is_shared():
    bank = MemoryBank(3, 4)
    assert MemoryAttention(SoftmaxAttention(12, 3), bank=bank).bank is bank
