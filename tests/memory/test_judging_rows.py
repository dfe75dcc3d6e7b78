"""Which cases judge: new ones, whose class another patient has too, of evenly spread patients."""

import torch

from monai_memvit.memory.case_rows import CaseRows
from monai_memvit.memory.judging_rows import judging_rows


def _cases(groups: torch.Tensor, labels: torch.Tensor, learned: torch.Tensor | None = None) -> CaseRows:
    count = len(groups)
    marks = torch.zeros(count, dtype=torch.bool) if learned is None else learned
    return CaseRows(torch.arange(count), groups, labels, marks, torch.zeros(count, 1), torch.zeros(count, 2))


def test_all_new_cases_of_a_small_memory_judge():
    learned = torch.arange(30) < 10
    rows = judging_rows(_cases(torch.arange(30) // 3, torch.arange(30) % 2, learned))
    assert torch.equal(rows, torch.arange(10, 30))


def test_a_class_of_one_patient_does_not_judge():
    groups, labels = torch.tensor([1, 1, 2, 2, 3, 3]), torch.tensor([0, 1, 0, 1, 2, 2])
    assert judging_rows(_cases(groups, labels)).tolist() == [0, 1, 2, 3]
    assert judging_rows(_cases(groups, torch.tensor([0, 1, 0, 1, 2, 0]))).tolist() == [0, 1, 2, 3, 5]


def test_nobody_judges_where_every_class_is_of_one_patient():
    assert not len(judging_rows(_cases(torch.tensor([1, 1, 2]), torch.tensor([0, 0, 1]))))


def test_many_single_cases_are_thinned_evenly():
    rows = judging_rows(_cases(torch.arange(50_000), torch.arange(50_000) % 2))
    assert len(rows) == 2048 and rows.diff().max() < 60


def test_of_large_groups_some_judge_so_that_few_cases_are_read():
    groups = torch.arange(100_000) // 1000
    rows = judging_rows(_cases(groups, torch.arange(100_000) % 2))
    judging = groups[rows].unique()
    assert len(rows) == 2048 and len(judging) == 16  # 8 would keep to the cases that may be read
    assert judging.diff().max() < 10 and len(rows.unique()) == 2048


def test_every_class_has_judges_among_large_groups():
    """Three slides of a hundred have the rare class; evenly spread ones could miss them all."""
    groups = torch.arange(100_000) // 1000
    labels = torch.where(torch.isin(groups, torch.tensor([5, 44, 81])), 2, torch.arange(100_000) % 2)
    rows = judging_rows(_cases(groups, labels))
    assert labels[rows].unique().tolist() == [0, 1, 2] and len(rows) == 2048


def test_one_class_alone_does_not_judge():
    learned = torch.arange(12) < 6
    labels = torch.where(learned, torch.arange(12) % 2, 0)
    assert not len(judging_rows(_cases(torch.arange(12), labels, learned)))


def test_no_case_no_judge():
    assert not len(judging_rows(_cases(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))))
