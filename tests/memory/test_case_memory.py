"""Cases beside a network: taken in, read, shown and forgotten."""

from __future__ import annotations

import io

import pytest
import torch

from monai_memvit.memory import CaseMemory, HeadReadout, MixtureReadout, NeighbourReadout, RidgeReadout

F, NAMES = 6, ["normal", "benign", "malignant"]


def _cases(count: int, seed: int = 0, classes: int = 3) -> dict[str, torch.Tensor]:
    """Three classes in three directions, with noise; two cases a patient."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    features = 2 * torch.eye(F)[labels] + 0.5 * torch.randn(count, F, generator=generator)
    logits = torch.randn(count, len(NAMES), generator=generator)
    ids = 1000 * seed + torch.randperm(count, generator=generator)
    return {"ids": ids, "features": features, "logits": logits, "labels": labels, "group_ids": ids // 2 + 10**6 * seed}


@pytest.fixture
def memory():
    memory = CaseMemory(F, NAMES)
    memory.extend(**_cases(40))
    return memory


def _same(one: CaseMemory, other: CaseMemory) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.rows, other.rows))


READOUTS = {
    "ridge": RidgeReadout,
    "neighbours": NeighbourReadout,
    "head": HeadReadout,
    "mixture": lambda: MixtureReadout({"head": HeadReadout(), "ridge": RidgeReadout(), "near": NeighbourReadout()}),
}


# reading


@pytest.mark.parametrize("learned", [False, True])
def test_a_memory_without_new_labelled_cases_leaves_the_logits_to_the_last_bit(learned):
    memory, cases = CaseMemory(F, NAMES), _cases(30)
    if learned:
        memory.extend(**cases, learned=True)
    memory.extend(**(_cases(5, seed=2) | {"labels": None}))
    logits = torch.randn(4, 3)
    assert memory(torch.randn(4, F), logits) is logits
    assert memory.choices == {}


@pytest.mark.parametrize("readout", READOUTS)
def test_gives_logarithms_of_probabilities(readout):
    memory = CaseMemory(F, NAMES, READOUTS[readout]())
    memory.extend(**_cases(40))
    told = memory(torch.randn(7, F), torch.randn(7, 3))
    assert told.shape == (7, 3) and told.dtype == torch.float32
    torch.testing.assert_close(told.exp().sum(1), torch.ones(7))


@pytest.mark.parametrize("readout", ["ridge", "neighbours", "mixture"])
def test_tells_new_cases_whose_head_knows_nothing(readout):
    memory, asked = CaseMemory(F, NAMES, READOUTS[readout]()), _cases(60, seed=1)
    memory.extend(**_cases(60))
    told = memory(asked["features"], asked["logits"]).argmax(1)
    assert (told == asked["labels"]).float().mean() > 0.95
    assert (asked["logits"].argmax(1) == asked["labels"]).float().mean() < 0.6


def test_a_class_that_the_network_has_never_heard_of_is_recognised(memory):
    new = _cases(20, seed=3)
    new["features"] = new["features"] + torch.tensor([-4.0, -4, -4, 4, 4, 4])
    memory.extend(**(new | {"labels": torch.ones(20, dtype=torch.int64)}), class_names=["normal", "metastasis"])
    assert memory.class_names == [*NAMES, "metastasis"]
    told = memory(new["features"], new["logits"])
    assert told.shape == (20, 4) and (told.argmax(1) == 3).all()
    old = _cases(30, seed=4)
    assert (memory(old["features"], old["logits"]).argmax(1) == old["labels"]).float().mean() > 0.9


def test_labels_are_read_by_the_names_that_come_with_them():
    one, other, cases = CaseMemory(F, NAMES), CaseMemory(F, NAMES), _cases(20)
    one.extend(**cases)
    turned = cases | {"labels": 2 - cases["labels"]}
    other.extend(**turned, class_names=NAMES[::-1])
    assert _same(one, other)


def test_half_precision_logits_keep_their_type(memory):
    assert memory(torch.randn(2, F).half(), torch.randn(2, 3).half()).dtype == torch.float16


# adding and forgetting


def test_order_and_portions_of_adding_do_not_matter(memory):
    cases, other = _cases(40), CaseMemory(F, NAMES)
    for part in (torch.arange(39, 19, -1), torch.arange(20)):
        other.extend(**{name: rows[part] for name, rows in cases.items()})
    assert _same(memory, other)


@pytest.mark.parametrize("by", ["ids", "group_ids"])
def test_a_forgotten_case_was_never_there(memory, by):
    pure, asked = CaseMemory(F, NAMES), torch.randn(9, F, generator=torch.Generator().manual_seed(0))
    logits = torch.zeros(9, 3, dtype=torch.float64)  # answers have their type
    pure.extend(**_cases(40))
    before = memory(asked, logits)
    new = _cases(12, seed=5)
    memory.extend(**new)
    assert (memory(asked, logits) - before).abs().max() > 1e-4
    assert memory.remove(**{by: new[by]}) == 12
    assert _same(memory, pure)
    torch.testing.assert_close(memory.moments.gram, pure.moments.gram, rtol=0, atol=1e-9)
    torch.testing.assert_close(memory(asked, logits), before, rtol=0, atol=1e-9)
    memory.rebuild()
    assert torch.equal(memory.moments.gram, pure.moments.gram)
    torch.testing.assert_close(memory(asked, logits), pure(asked, logits), rtol=0, atol=1e-12)


def test_new_classes_stand_in_the_order_of_their_names_however_they_came(memory):
    """Also when the case that came first with a class is forgotten: the state must not tell that it was there."""
    first, cysts, others = _cases(1, seed=20), _cases(5, seed=21), _cases(4, seed=22)
    for cases, name in ((first, "lymphoma"), (cysts, "cyst"), (others, "lymphoma")):
        memory.extend(**(cases | {"labels": torch.zeros_like(cases["labels"])}), class_names=[name])
        assert len(memory.moments.counts) == len(memory.class_names)  # from here on they follow the rows
    memory.remove(first["ids"])
    pure = CaseMemory(F, NAMES)
    pure.extend(**_cases(40))
    for cases, name in ((others, "lymphoma"), (cysts, "cyst")):
        pure.extend(**(cases | {"labels": torch.zeros_like(cases["labels"])}), class_names=[name])
    assert memory.class_names == pure.class_names == [*NAMES, "cyst", "lymphoma"]
    assert _same(memory, pure)
    torch.testing.assert_close(memory.moments.gram, pure.moments.gram, rtol=0, atol=1e-9)


def _apart(seed: int, labels: torch.Tensor, patient: int | None = None, distance: float = 1.5) -> dict:
    """Cases whose classes overlap; logits that tell nothing."""
    generator, count = torch.Generator().manual_seed(seed), len(labels)
    features = distance * torch.eye(8)[labels] + 0.5 * torch.randn(count, 8, generator=generator)
    ids = 10_000 * seed + torch.arange(count)
    groups = ids // 2 if patient is None else torch.full((count,), patient)
    return {"ids": ids, "features": features, "logits": torch.zeros(count, 2), "labels": labels, "group_ids": groups}


@pytest.mark.parametrize(
    ("home", "added"),
    [
        ([0, 1], {"labels": torch.zeros(50, dtype=torch.int64)}),
        ([0, 1], {"labels": torch.full((50,), 2)}),
        ([0, 1], {"labels": torch.full((12,), 2), "patient": 99}),
    ],
    ids=["cases of one known class", "cases of a new class", "a new class of one patient"],
)
@pytest.mark.parametrize("learned", [True, False])
def test_no_class_is_silenced_that_cannot_judge(home, added, learned):
    """An offset would be fitted to cases that are none of this class, and could only fall."""
    memory, names = CaseMemory(8, ["a", "b"]), ["a", "b", "metastasis"]
    memory.extend(**_apart(1, torch.tensor(home).repeat(100)), learned=learned)
    memory.extend(**_apart(2, **added), class_names=names)
    asked = _apart(3, torch.arange(len(memory.class_names)).repeat(100))
    told = memory(asked["features"], asked["logits"][:, :2]).argmax(1)
    recalls = [float((told[asked["labels"] == k] == k).double().mean()) for k in range(len(memory.class_names))]
    assert min(recalls) > 0.85


def test_one_case_is_a_memory(memory):
    alone = CaseMemory(F, NAMES)
    alone.extend(**{name: rows[:1] for name, rows in _cases(4).items()})
    told = alone(torch.randn(5, F), torch.zeros(5, 3))
    assert told.isfinite().all() and (told.exp().sum(1) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("change", [lambda m: m.half(), lambda m: m.double(), lambda m: m.to("cpu")])
def test_a_change_of_type_leaves_rows_and_answers_as_they_are(memory, change):
    asked, before = torch.randn(4, F), CaseMemory(F, NAMES)
    before.load_state_dict(memory.state_dict())
    told = memory(asked, torch.zeros(4, 3))
    change(memory)
    assert _same(memory, before) and memory.features.dtype == torch.float32
    torch.testing.assert_close(memory(asked, torch.zeros(4, 3)), told)


# similar cases


def test_neighbours_are_those_of_largest_cosine(memory):
    asked = torch.randn(3, F)
    cosines = torch.nn.functional.cosine_similarity(asked[:, None], memory.features[None], dim=-1)
    for sample, found in enumerate(memory.neighbours(asked, 4)):
        values, rows = cosines[sample].topk(4)
        torch.testing.assert_close(found.weights, values)
        assert torch.equal(found.ids, memory.ids[rows])


def test_a_sample_does_not_find_its_own_patient(memory):
    row = 7
    found = memory.neighbours(memory.features[row : row + 1], 40, exclude_groups=memory.groups[row : row + 1])[0]
    own = memory.ids[memory.groups == memory.groups[row]]
    assert not torch.isin(found.ids, own).any() and len(found.ids) == 40 - len(own)


def test_an_empty_memory_has_no_neighbours():
    with pytest.raises(ValueError, match="empty"):
        CaseMemory(F, NAMES).neighbours(torch.randn(1, F))


# files


def test_comes_back_whole_from_a_file_of_plain_content(memory):
    memory.extend(**(_cases(8, seed=3, classes=1)), class_names=["metastasis"])
    memory.network, file = "abc", io.BytesIO()
    torch.save(memory.state_dict(), file)
    file.seek(0)
    other = CaseMemory(F, NAMES, network="abc")
    other.load_state_dict(torch.load(file, weights_only=True))
    assert _same(memory, other) and other.class_names == [*NAMES, "metastasis"]
    asked = torch.randn(4, F), torch.randn(4, 3)
    memory.rebuild()
    assert torch.equal(memory(*asked), other(*asked))


@pytest.mark.parametrize("digest", ["network", "preparation"])
def test_a_memory_of_other_weights_is_refused(memory, digest):
    setattr(memory, digest, "0123")
    other = CaseMemory(F, NAMES, **{digest: "4567"})
    with pytest.raises(ValueError, match=f"another {digest}"):
        other.load_state_dict(memory.state_dict())
    assert len(other) == 0 and not other.consulted


def test_a_memory_of_other_classes_is_refused(memory):
    other = CaseMemory(F, ["a", "b", "c"])
    with pytest.raises(ValueError, match="made for classes"):
        other.load_state_dict(memory.state_dict())
    assert len(other) == 0 and other.class_names == ["a", "b", "c"]


def test_a_memory_of_other_features_is_refused(memory):
    other = CaseMemory(F + 1, NAMES)
    with pytest.raises(RuntimeError, match="features of the saved memory do not fit"):
        other.load_state_dict(memory.state_dict())
    assert len(other) == 0


def test_a_memory_of_a_head_with_more_classes_is_refused(memory):
    other = CaseMemory(F, NAMES[:2])
    with pytest.raises(RuntimeError, match="logits of the saved memory do not fit"):
        other.load_state_dict(memory.state_dict())
    assert len(other) == 0


def test_a_memory_without_labels_is_refused(memory):
    other, state = CaseMemory(F, NAMES), memory.state_dict()
    del state["labels"]
    with pytest.raises(RuntimeError, match="labels of the saved memory do not fit"):
        other.load_state_dict(state)
    assert len(other) == 0


# errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(4, F + 1)}, "shapes"),
        ({"logits": torch.zeros(4, 2)}, "shapes"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "shapes"),
        ({"group_ids": torch.zeros(3, dtype=torch.int64)}, "shapes"),
        ({"features": torch.full((4, F), float("nan"))}, "not finite"),
        ({"logits": torch.full((4, 3), float("inf"))}, "not finite"),
        ({"features": torch.full((4, F), 1e300, dtype=torch.float64)}, "not finite"),
        ({"class_names": ["a", "x", "x"]}, "distinct"),
        ({"labels": torch.tensor([0, 1, 2, 3])}, "labels lie in 0 ... 3"),
        ({"labels": torch.tensor([0, 1, 2, -2])}, "labels lie in -2"),
        ({"ids": torch.tensor([900, 901, 902, 3])}, "stored already, the first: 3"),
        ({"ids": torch.tensor([900, 901, 902, 900])}, "given twice"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_half_taken_in(memory, change, message):
    before = CaseMemory(F, NAMES)
    before.load_state_dict(memory.state_dict())
    case = {name: rows[:4] for name, rows in _cases(4, seed=9).items()}
    with pytest.raises(ValueError, match=message):
        memory.extend(**(case | change))
    assert _same(memory, before) and memory.class_names == NAMES


@pytest.mark.parametrize(("features", "names"), [(0, NAMES), (3, ["a", "a"])])
def test_a_memory_of_nothing_is_refused(features, names):
    with pytest.raises(ValueError, match="distinct"):
        CaseMemory(features, names)
