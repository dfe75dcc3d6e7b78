"""The bank of facts: moving average, search, distillation and files."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_memvit.memory import AttentionMovingAverage, MemoryBank, PrototypicalAttentionLearning

H, D = 2, 3


def _facts(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, H, D, generator=generator) for _ in range(2))


@pytest.fixture
def bank():
    bank = MemoryBank(H, D)
    bank.update(torch.arange(10, 18), *_facts(8), torch.arange(8) // 2, epoch=0)
    return bank


def _same(one: MemoryBank, other: MemoryBank) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))


# eq. (1)


def test_new_cases_are_stored_as_they_are_in_the_order_of_their_ids():
    bank, (keys, values) = MemoryBank(H, D), _facts(3)
    bank.update(torch.tensor([30, 10, 20]), keys, values, torch.tensor([3, 1, 2]), epoch=4)
    order = [1, 2, 0]
    assert (bank.ids.tolist(), bank.groups.tolist(), bank.last_epoch.tolist()) == ([10, 20, 30], [1, 2, 3], [4] * 3)
    assert torch.equal(bank.keys, keys[order]) and torch.equal(bank.values, values[order])


@pytest.mark.parametrize(("alpha", "keeps"), [(1.0, "new"), (0.0, "old")])
def test_weight_one_overwrites_and_weight_zero_freezes(bank, alpha, keeps):
    bank.moving_average = lambda epoch: alpha
    old, new = (bank.keys.clone(), bank.values.clone()), _facts(8, seed=1)
    bank.update(bank.ids.clone(), *new, bank.groups.clone(), epoch=3)
    wanted = new if keeps == "new" else old
    assert torch.equal(bank.keys, wanted[0]) and torch.equal(bank.values, wanted[1])


def test_without_an_epoch_a_fact_is_overwritten(bank):
    bank.moving_average = lambda epoch: 0.0
    keys, values = _facts(8, seed=1)
    bank.update(bank.ids.clone(), keys, values, bank.groups.clone())
    assert torch.equal(bank.keys, keys)


def test_constant_facts_under_a_constant_weight_have_a_closed_form():
    alpha, epochs, (start, constant) = 0.3, 12, _facts(4)
    bank = MemoryBank(H, D, moving_average=lambda epoch: alpha)
    bank.update(torch.arange(4), start, start, epoch=0)
    for epoch in range(epochs):
        bank.update(torch.arange(4), constant, constant, epoch=epoch)
    expected = constant.double() + (1 - alpha) ** epochs * (start.double() - constant.double())
    torch.testing.assert_close(bank.keys.double(), expected, atol=1e-6, rtol=1e-6)


def test_the_schedule_of_equation_two_enters_by_the_epoch():
    schedule, (old, new) = AttentionMovingAverage(10, alpha0=0.5), _facts(1)
    for epoch in (0, 1, 9):
        bank = MemoryBank(H, D, moving_average=schedule)
        bank.update(torch.tensor([1]), old, old, epoch=0)
        bank.update(torch.tensor([1]), new, new, epoch=epoch)
        torch.testing.assert_close(bank.keys, schedule(epoch) * new + (1 - schedule(epoch)) * old)


def test_visits_of_one_epoch_count_once():
    bank = MemoryBank(H, D, moving_average=lambda epoch: 0.25)
    keys, values = _facts(3)
    bank.update(torch.tensor([7]), keys[:1], values[:1], epoch=0)
    bank.update(torch.tensor([7, 7]), keys[1:], values[1:], epoch=1)
    torch.testing.assert_close(bank.keys[0], 0.25 * (keys[1] + keys[2]) / 2 + 0.75 * keys[0])


def test_of_several_updates_since_a_copy_the_last_one_counts():
    bank, alpha = MemoryBank(H, D, moving_average=lambda epoch: 0.25), 0.25
    (old, _), visits = _facts(1), [_facts(1, seed=s) for s in (1, 2, 3)]
    bank.update(torch.tensor([7]), old, old, epoch=0)
    before = copy.deepcopy(bank)
    for keys, values in visits:
        bank.update(torch.tensor([7, 8]), keys.repeat(2, 1, 1), values.repeat(2, 1, 1), epoch=1, since=before)
    keys, values = visits[-1]
    torch.testing.assert_close(bank.keys, torch.cat([alpha * keys + (1 - alpha) * old, keys]))
    torch.testing.assert_close(bank.values, torch.cat([alpha * values + (1 - alpha) * old, values]))
    assert before.ids.tolist() == [7] and torch.equal(before.keys, old)


def test_refreshing_overwrites_what_is_stored_and_lets_nothing_in(bank):
    bank.moving_average = lambda epoch: 0.0
    before, (keys, values) = copy.deepcopy(bank), _facts(4, seed=1)
    bank.refresh(torch.tensor([99, 12, 1, 10]), keys, values, torch.tensor([5, 1, 5, 0]))
    before.keys[[2, 0]], before.values[[2, 0]] = keys[[1, 3]], values[[1, 3]]
    assert _same(bank, before)
    bank.refresh(torch.tensor([12]), keys[:1], values[:1])
    assert torch.equal(bank.keys[2], keys[0])


def test_refreshing_checks_as_updating_does(bank):
    with pytest.raises(ValueError, match="2 ids need group ids"):
        bank.refresh(torch.tensor([10, 11]), *_facts(3))
    with pytest.raises(ValueError, match="stored under another group"):
        bank.refresh(torch.tensor([10]), *_facts(1), torch.tensor([3]))
    with pytest.raises(ValueError, match="prototypes cannot be updated"):
        bank.distil(PrototypicalAttentionLearning(3)).refresh(torch.tensor([10]), *_facts(1))


@pytest.mark.parametrize("sizes", [[12], [5, 7], [1] * 12])
def test_order_and_partition_of_an_epoch_do_not_matter(sizes):
    whole, parts = (MemoryBank(H, D, moving_average=lambda epoch: 0.4) for _ in range(2))
    for epoch in range(3):
        ids, (keys, values) = torch.arange(12), _facts(12, seed=epoch)
        whole.update(ids, keys, values, epoch=epoch)
        for part in torch.randperm(12).split(sizes):
            parts.update(ids[part], keys[part], values[part], epoch=epoch)
    assert _same(whole, parts)


def test_stored_facts_do_not_follow_their_sources_and_carry_no_gradient(bank):
    keys, values = (t.requires_grad_() for t in _facts(2, seed=5))
    bank.update(torch.tensor([10, 99]), keys, values)
    with torch.no_grad():
        keys.zero_()
    assert not bank.keys.requires_grad and (bank.keys != 0).all()


def test_names_of_files_never_enter_the_bank():
    bank, meta = MemoryBank(H, D), {"filename_or_obj": "patient_smith.png"}
    for ids in ([2, 1, 1], [1, 3]):
        keys, values = (MetaTensor(t, meta=dict(meta)) for t in _facts(len(ids)))
        bank.update(MetaTensor(torch.tensor(ids), meta=dict(meta)), keys, values, epoch=1)
    assert {type(t) for t in bank.state_dict().values()} == {torch.Tensor}
    file = io.BytesIO()
    torch.save(bank.state_dict(), file)
    assert b"smith" not in file.getvalue()


@pytest.mark.parametrize(
    ("visits", "left"),
    [
        ([([1, 2, 3], 0), ([2, 3], 1), ([9], 2)], [2, 3, 9]),  # the longest unvisited goes
        ([([1, 2, 3], 5), ([9, 8, 7], 5)], [7, 8, 9]),  # of one epoch, the newer stay
        ([([1, 2, 3], 5), ([9], None)], [1, 2, 9]),  # overwriting belongs to the latest epoch
        ([([1, 2, 3], 5), ([9], 0)], [1, 2, 9]),  # a second run, whose epochs begin at 0 again
    ],
)
def test_a_full_bank_lets_the_least_recently_updated_go(visits, left):
    bank = MemoryBank(H, D, capacity=3)
    for ids, epoch in visits:
        bank.update(torch.tensor(ids), *_facts(len(ids)), epoch=epoch)
    assert bank.ids.tolist() == left


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_facts_that_are_not_finite_are_left_out_with_a_warning(bank, poison):
    before, (keys, values) = copy.deepcopy(bank), _facts(3)
    values[1, 0, 0] = keys[2, 1, 1] = poison
    with pytest.warns(UserWarning, match="2 of 3 facts are not finite"):
        bank.update(torch.tensor([50, 51, 10]), keys, values, torch.tensor([5, 5, 0]))
    assert bank.ids.tolist() == [*before.ids.tolist(), 50]
    assert torch.equal(bank.keys[:8], before.keys)


@pytest.mark.parametrize(
    ("ids", "keys", "values", "groups"),
    [((2,), (3, H, D), (3, H, D), (2,)), ((2,), (2, H, D), (2, H, D + 1), (2,)), ((2, 1), (2, H, D), (2, H, D), (2, 1)),
     ((2,), (2, H, D), (2, H, D), (3,))],
)  # fmt: skip
def test_updates_of_the_wrong_shape(bank, ids, keys, values, groups):
    with pytest.raises(ValueError, match="2 ids need group ids"):
        bank.update(torch.zeros(ids).long(), torch.zeros(keys), torch.zeros(values), torch.zeros(groups).long())


# search


@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("exclusion", ["nothing", "id", "group", "both"])
def test_search_equals_a_numpy_loop(bank, k, exclusion):
    queries = torch.randn(2, H, 4, D)
    ids = torch.tensor([10, 13]) if exclusion in ("id", "both") else None
    groups = torch.tensor([1, 3]) if exclusion in ("group", "both") else None
    found = bank.search(queries, k, ids, groups)
    keys = bank.keys.numpy()
    for b, h, q in np.ndindex(2, H, 4):
        allowed = [
            row
            for row in range(8)
            if (ids is None or bank.ids[row] != ids[b]) and (groups is None or bank.groups[row] != groups[b])
        ]
        best = sorted(allowed, key=lambda row: -(keys[row, h] @ queries[b, h, q].numpy()))[:k]
        exist = found.mask[b, h, q]
        assert exist.tolist() == [True] * len(best) + [False] * (min(k, 8) - len(best))
        assert found.ids[b, h, q][exist].tolist() == bank.ids[best].tolist()
        assert torch.equal(found.keys[b, h, q][exist], bank.keys[best, h])
        assert torch.equal(found.values[b, h, q][exist], bank.values[best, h])
        assert (found.keys[b, h, q][~exist] == 0).all() and (found.values[b, h, q][~exist] == 0).all()


def test_what_was_found_may_be_gathered_in_parts(bank):
    queries = torch.randn(2, H, 4, D)
    scores, rows = bank.find(queries, 3, torch.tensor([10, 13]))
    whole = bank.search(queries, 3, torch.tensor([10, 13]))
    parts = [bank.gather(scores[:, :, part], rows[:, :, part]) for part in (slice(0, 1), slice(1, 4))]
    for field, pieces in zip(whole, zip(*parts)):
        assert torch.equal(field, torch.cat(pieces, dim=2))


def test_a_stored_key_finds_its_own_fact_after_growth_and_reload():
    bank = MemoryBank(H, D)
    for start in (6, 0, 12):
        keys, values = _facts(6, seed=start)
        bank.update(torch.arange(start, start + 6), keys / keys.norm(dim=-1, keepdim=True), values)
    fresh = MemoryBank(H, D)
    fresh.load_state_dict(bank.state_dict())
    found = fresh.search(bank.keys[:, :, None], 1)
    assert torch.equal(found.ids[:, :, 0, 0], torch.arange(18)[:, None].expand(18, H))
    assert torch.equal(found.values[:, :, 0, 0], bank.values)


def test_an_empty_bank_finds_nothing():
    found = MemoryBank(H, D).search(torch.randn(2, H, 4, D), 5)
    assert found.keys.shape == (2, H, 4, 0, D) and found.mask.shape == (2, H, 4, 0)


def test_any_search_may_be_injected(bank):
    calls = []

    def search(queries, keys, k, excluded):
        calls.append(k)
        rows = torch.zeros(*queries.shape[:3], 1, dtype=torch.int64)
        return rows.float(), rows

    bank.searcher = search
    assert (bank.search(torch.randn(2, H, 4, D), 7).ids == 10).all() and calls == [7]


@pytest.mark.parametrize(
    ("shape", "k", "message"),
    [
        ((2, H, D), 1, "queries must be"),
        ((2, H, 4, D + 1), 1, "queries must be"),
        ((2, H, 4, D), 0, "k must be at least 1"),
    ],
)
def test_bad_searches(bank, shape, k, message):
    with pytest.raises(ValueError, match=message):
        bank.search(torch.randn(shape), k)


# erasing and distilling


def test_erasing_is_as_if_the_case_had_never_been(bank):
    other = MemoryBank(H, D)
    keys, values = _facts(8)
    keep = torch.tensor([0, 1, 3, 4, 6, 7])
    other.update(torch.arange(10, 18)[keep], keys[keep], values[keep], (torch.arange(8) // 2)[keep], epoch=0)
    assert bank.erase(torch.tensor([12, 15, 777])) == 2
    assert _same(bank, other)


def test_prototypes_are_facts_of_the_bank_and_read_alike(bank):
    bank.id_map.fill_(77)
    prototypes = bank.distil(PrototypicalAttentionLearning(4, value_mode="none"))
    assert prototypes.holds_prototypes and len(prototypes) == 4 and prototypes.id_map == 77
    for p, h in np.ndindex(4, H):
        row = bank.ids.tolist().index(int(prototypes.ids[p, h]))
        assert torch.equal(prototypes.keys[p, h], bank.keys[row, h])
        assert torch.equal(prototypes.values[p, h], bank.values[row, h])
        assert prototypes.groups[p, h] == bank.groups[row]
    found = prototypes.search(prototypes.keys[:, :, None], 4, exclude_ids=torch.tensor([10, 11, 12, 13]))
    own = torch.tensor([10, 11, 12, 13]).view(4, 1, 1, 1)
    assert not ((found.ids == own) & found.mask).any() and found.mask.any()


def test_all_facts_as_prototypes_answer_like_the_facts(bank):
    prototypes, queries = bank.distil(PrototypicalAttentionLearning(8, value_mode="none")), torch.randn(2, H, 4, D)
    for one, other in zip(prototypes.search(queries, 3), bank.search(queries, 3)):
        assert torch.equal(one, other)


def test_prototypes_of_every_class(bank):
    labels = {10 + i: i % 2 for i in range(8)}
    prototypes = bank.distil(PrototypicalAttentionLearning(4, stratify="class"), labels)
    for h in range(H):
        assert sorted(labels[i] for i in prototypes.ids[:, h].tolist()) == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="label of stored case 17 is missing"):
        bank.distil(PrototypicalAttentionLearning(4, stratify="class"), {i: 0 for i in range(10, 17)})


def test_prototypes_can_be_erased_but_not_updated_or_distilled_again(bank):
    prototypes = bank.distil(PrototypicalAttentionLearning(4))
    with pytest.raises(ValueError, match="prototypes cannot be updated"):
        prototypes.update(torch.tensor([1]), *_facts(1))
    with pytest.raises(ValueError, match="only a bank of facts"):
        prototypes.distil(PrototypicalAttentionLearning(2))
    named = prototypes.ids[0, 0]
    assert prototypes.erase(named[None]) >= 1 and not (prototypes.ids == named).any()


def test_an_empty_bank_cannot_be_distilled():
    with pytest.raises(ValueError, match="this one is empty"):
        MemoryBank(H, D).distil(PrototypicalAttentionLearning(2))


# files


@pytest.mark.parametrize("stored", ["facts", "prototypes", "nothing"])
@pytest.mark.parametrize("target", ["fresh", "filled"])
def test_state_goes_through_a_file_bit_for_bit(bank, stored, target):
    sources = {"facts": bank, "prototypes": bank.distil(PrototypicalAttentionLearning(3)), "nothing": MemoryBank(H, D)}
    source, other = sources[stored], MemoryBank(H, D)
    source.id_map.fill_(2**62 + 1)
    if target == "filled":
        other.update(torch.arange(3), *_facts(3, seed=9))
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert _same(source, other)
    assert other.holds_prototypes == (stored == "prototypes")


def test_a_loaded_bank_goes_on_as_the_saved_one(bank):
    fresh = MemoryBank(H, D)
    fresh.load_state_dict(copy.deepcopy(bank.state_dict()))
    for one in (bank, fresh):
        one.update(torch.tensor([12, 40]), *_facts(2, seed=3), epoch=1)
    assert _same(bank, fresh)


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.update(keys=torch.zeros(8, H, D + 1)),
        lambda state: state.update(values=torch.zeros(8, H + 1, D)),
        lambda state: state.update(ids=torch.arange(7)),
    ],
)
def test_a_state_of_another_shape_is_refused(bank, damage):
    state = bank.state_dict()
    damage(state)
    with pytest.raises(RuntimeError, match=r"a bank of \(2, 3\) facts cannot hold"):
        MemoryBank(H, D).load_state_dict(state)


def test_a_state_without_a_bank_is_reported_by_name(bank):
    with pytest.raises(RuntimeError, match=r"Missing key\(s\).*ids"):
        bank.load_state_dict({})


def test_bytes_are_those_of_the_facts(bank):
    assert bank.nbytes == 8 * (2 * H * D * 4 + 8 + 8 + 4 + 8)
    wide = MemoryBank(3, 64)
    wide.update(torch.arange(50), torch.zeros(50, 3, 64), torch.zeros(50, 3, 64))
    assert wide.nbytes <= 1.05 * 50 * 2 * 3 * 64 * 4


@pytest.mark.parametrize("sizes", [(0, 2, None), (2, 0, None), (2, 2, 0)])
def test_bad_sizes(sizes):
    with pytest.raises(ValueError, match="must be positive"):
        MemoryBank(sizes[0], sizes[1], capacity=sizes[2])


def test_a_case_cannot_move_to_another_patient() -> None:
    bank = MemoryBank(2, 3)
    ids, facts = torch.tensor([5, 7]), torch.ones(2, 2, 3)
    bank.update(ids, facts, facts, torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="sample id 7 is stored under another group"):
        bank.update(ids, 2 * facts, facts, torch.tensor([1, 3]))
    assert torch.equal(bank.keys, facts)


# labels


@pytest.fixture
def told(bank: MemoryBank) -> MemoryBank:
    """Cases 10 to 17, of whom every second one says its class: -1 0 -1 1 -1 2 -1 3."""
    bank.label(torch.tensor([17, 11, 999, 15, 13]), torch.tensor([3, 0, 7, 2, 1]))
    return bank


def test_facts_say_no_class_at_first(bank: MemoryBank) -> None:
    assert bank.labels.tolist() == [-1] * 8


def test_a_class_is_said_of_those_that_are_stored(told: MemoryBank) -> None:
    assert told.labels.tolist() == [-1, 0, -1, 1, -1, 2, -1, 3]
    told.label(torch.tensor([11]), torch.tensor([-1]))
    assert told.labels.tolist() == [-1, -1, -1, 1, -1, 2, -1, 3]
    told.label(torch.tensor([], dtype=torch.int64), torch.tensor([], dtype=torch.int64))
    MemoryBank(H, D).label(torch.tensor([11]), torch.tensor([1]))


def test_a_class_stays_when_its_fact_changes_and_goes_when_it_goes(told: MemoryBank) -> None:
    told.update(torch.tensor([9, 13, 14]), *_facts(3, seed=1), torch.tensor([9, 1, 2]), epoch=1)
    assert told.ids.tolist() == [9, *range(10, 18)] and told.labels.tolist() == [-1, -1, 0, -1, 1, -1, 2, -1, 3]
    told.erase(torch.tensor([11, 12]))
    assert told.ids.tolist() == [9, 10, 13, 14, 15, 16, 17] and told.labels.tolist() == [-1, -1, 1, -1, 2, -1, 3]


def test_a_full_memory_lets_the_class_go_with_the_fact() -> None:
    bank = MemoryBank(H, D, capacity=2)
    bank.update(torch.tensor([1, 2]), *_facts(2), epoch=0)
    bank.label(torch.tensor([1, 2]), torch.tensor([5, 6]))
    bank.update(torch.tensor([2]), *_facts(1), epoch=1)
    bank.update(torch.tensor([3]), *_facts(1), epoch=1)
    assert bank.ids.tolist() == [2, 3] and bank.labels.tolist() == [6, -1]


def test_prototypes_say_the_class_of_the_case_their_key_came_from(told: MemoryBank) -> None:
    prototypes = told.distil(PrototypicalAttentionLearning(5))
    classes = dict(zip(told.ids.tolist(), told.labels.tolist()))
    assert prototypes.labels.tolist() == [[classes[i] for i in row] for row in prototypes.ids.tolist()]
    prototypes.label(prototypes.ids[:1, 0], torch.tensor([9]))
    assert ((prototypes.labels == 9) == (prototypes.ids == prototypes.ids[0, 0])).all()


@pytest.mark.parametrize("distilled", [False, True])
def test_classes_of_found_facts(told: MemoryBank, distilled: bool) -> None:
    bank = told.distil(PrototypicalAttentionLearning(6)) if distilled else told
    scores, rows = bank.find(torch.randn(2, H, 4, D), 3)
    classes = dict(zip(told.ids.tolist(), told.labels.tolist()))
    ids, found = bank.gather(scores, rows).ids, bank.labels_at(rows)
    assert found.tolist() == [[[[classes[i] for i in k] for k in q] for q in h] for h in ids.tolist()]


def test_classes_outlive_a_file_and_a_file_without_any_is_taken(told: MemoryBank) -> None:
    for bank in (told, told.distil(PrototypicalAttentionLearning(5))):
        state, fresh = bank.state_dict(), MemoryBank(H, D)
        fresh.load_state_dict(state)
        assert torch.equal(fresh.labels, bank.labels)
        del state["labels"]
        fresh.load_state_dict(state)
        assert torch.equal(fresh.labels, torch.full_like(bank.ids, -1)) and torch.equal(fresh.keys, bank.keys)


def test_a_label_for_every_id(bank: MemoryBank) -> None:
    with pytest.raises(ValueError, match=r"one label per id is needed, got \(3,\) for ids \(2,\)"):
        bank.label(torch.tensor([10, 11]), torch.tensor([1, 2, 3]))


# cosines


def test_the_nearest_by_direction(bank: MemoryBank) -> None:
    queries, ids, groups = torch.randn(2, H, 4, D), torch.tensor([10, 13]), torch.tensor([0, 3])
    found = bank.search(queries, 3, ids, groups, cosine=True)
    keys, asked = bank.keys.double().numpy(), queries.double().numpy()
    for b, h, q in np.ndindex(2, H, 4):
        lengths = np.linalg.norm(keys[:, h], axis=-1) * np.linalg.norm(asked[b, h, q])
        cosines = keys[:, h] @ asked[b, h, q] / lengths
        cosines[(bank.ids == ids[b]).numpy() | (bank.groups == groups[b]).numpy()] = -np.inf
        best = np.argsort(-cosines)[:3]
        assert found.ids[b, h, q].tolist() == bank.ids[best].tolist()
        np.testing.assert_allclose(found.scores[b, h, q], cosines[best], atol=1e-6)
