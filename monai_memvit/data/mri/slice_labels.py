"""From cases and what is said of them to labelled slices; what does not fit together is named."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from .case_cache import CachedCase
from .labels import LabelTable, labels_from_areas
from .studies import Study, StudyProblem

__all__ = ["LabelledCase", "check_table", "label_cases"]


@dataclass(frozen=True)
class LabelledCase:
    """A prepared case and the classes of its slices.

    Args:
        cached: the case.
        labels: number of a slice -> class index, in the order of the slices; at least one.
        ambiguous: slices with less tumour than a label takes.
    """

    cached: CachedCase
    labels: dict[int, int]
    ambiguous: list[int]


def check_table(
    studies: Sequence[Study], known_problems: Collection[str], table: LabelTable | None, class_names: Sequence[str]
) -> tuple[list[Study], list[StudyProblem]]:
    """Leave out, before any computing, cases that no label can come from.

    Args:
        studies: that were found.
        known_problems: cases that were found but cannot be used.
        table: of labels or splits.
        class_names: in label order.

    Returns:
        The studies that can be labelled, and a problem for every other one and for every case that only the table has.

    Raises:
        ValueError: where labels come from masks and there are not two classes, or a patient is in two splits.
    """
    from_masks = table is None or table.labels is None
    if from_masks and len(class_names) != 2:
        raise ValueError(f"{len(class_names)} classes, but tumour masks tell two: give a CSV of labels, or two names")
    _check_patients(studies, table)
    usable, problems = [], []
    for study in studies:
        if cause := _why_not(study, table, from_masks):
            problems.append(StudyProblem(study.case_key, study.case_key, cause))
        else:
            usable.append(study)
    return usable, [*problems, *_unknown(table, {study.case_key for study in studies} | set(known_problems))]


def _why_not(study: Study, table: LabelTable | None, from_masks: bool) -> str:
    if table is not None and study.case_key not in table.lines:
        return f"{table.path} does not name it: add it there, or remove the case"
    if from_masks and study.tumour_mask is None:
        return "it has no tumour mask and no labels: add the mask, or give a CSV of labels"
    return ""


def _unknown(table: LabelTable | None, cases: set[str]) -> list[StudyProblem]:
    if table is None:
        return []
    cause = "no such case was found in the source: correct the name, or remove its lines"
    return [
        StudyProblem(case, f"{table.path}, line {line}", cause)
        for case, line in table.lines.items()
        if case not in cases
    ]


def _check_patients(studies: Sequence[Study], table: LabelTable | None) -> None:
    home: dict[str, tuple[str, str]] = {}
    for study in studies:
        if table is not None and table.splits is not None and study.case_key in table.splits:
            split = table.splits[study.case_key]
            other, other_split = home.setdefault(study.patient_key, (study.case_key, split))
            if other_split != split:
                raise ValueError(
                    f"{table.path}: cases {other!r} ({other_split}) and {study.case_key!r} ({split}) are of one "
                    "patient: give all cases of a patient the same split"
                )


def label_cases(
    cases: Sequence[CachedCase], table: LabelTable | None, min_area_mm2: float
) -> tuple[list[LabelledCase], list[StudyProblem]]:
    """Label the slices of prepared cases.

    Args:
        cases: prepared, each in the table where there is one.
        table: of labels, also for slices with little brain: who labels one means it. Without a table, or without labels
            in it, they come from the tumour's area, of slices with enough brain.
        min_area_mm2: see :func:`monai_memvit.data.mri.labels.labels_from_areas`.

    Returns:
        The labelled cases, and a problem for every label of a slice that does not exist or shows no brain, and
        for every case without slices.
    """
    labelled: list[LabelledCase] = []
    problems: list[StudyProblem] = []
    for case in cases:
        ambiguous: list[int] = []
        usable = case.record["slices_kept"]
        if table is not None and table.labels is not None:
            given, shown = table.labels[case.study.case_key], case.record["slice_channel_mask"]
            problems += _useless(given, shown, case.study.case_key, table)
            usable = range(len(shown))
            labels = {number: given[number] for number in sorted(given) if number < len(shown) and any(shown[number])}
        else:
            labels, ambiguous = labels_from_areas(case.record["tumour_area_mm2"], usable, min_area_mm2)
        if labels:
            labelled.append(LabelledCase(case, labels, ambiguous))
        else:
            cause = f"none of its {len(usable)} slices that can be used has a label: give labels for these"
            problems.append(StudyProblem(case.study.case_key, case.study.case_key, cause))
    return labelled, problems


def _useless(
    given: Collection[int], shown: Sequence[Sequence[bool]], key: str, table: LabelTable
) -> Iterator[StudyProblem]:
    where = f"{table.path}, from line {table.lines[key]}"
    for number in sorted(given):
        if number >= len(shown):
            cause = f"slices are 0 to {len(shown) - 1}: correct its number"
        elif not any(shown[number]):
            cause = "no sequence shows the brain in it: correct its number, or remove its line"
        else:
            continue
        yield StudyProblem(key, where, f"slice {number} has a label, but {cause}")
