"""Cases taken out of a bundle's case memory, as if they had never been there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import torch

from ..data import Datalist, load_section
from .judged_sets import judged_sets
from .judging import judge, told_by
from .memory_file import load_memory, save_memory
from .report import MemoryReport
from .site import check_site, judge_section
from .trained_bundle import BundleChoice, load_trained_bundle

__all__ = ["remove_cases"]


def remove_cases(
    choice: BundleChoice,
    datalist: Path | None = None,
    section: str = "training",
    judge_on: str | None = None,
    ids: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> MemoryReport:
    """Forget cases, and tell what the network says before and after of cases that are judged on.

    Patients of whom the memory held a case do not judge (see :func:`~.judged_sets.judged_sets`).

    Args:
        choice: the network.
        datalist: of the cases; without ids and groups all of the section are removed.
        section: of it.
        judge_on: section of it to judge on; None takes validation.
        ids: cases, by opaque id or, with a datalist, by sample key.
        groups: patients or slides, by opaque id or, with a datalist, by group key.

    Returns:
        counts, figures and seconds; the memory is written then, or gone where no case is left.

    Raises:
        ValueError: when nothing says which cases, a name is unknown, or none of the cases is in the memory; the memory
            then stays as it was.
    """
    if datalist is None and not ids and not groups:
        raise ValueError("nothing says which cases to remove: give their datalist, --ids or --groups.")
    trained = load_trained_bundle(choice)
    site = None if datalist is None else check_site(datalist, trained)
    memory = load_memory(choice.memory_path, trained)
    judged_section = "" if site is None else judge_section(site, section, judge_on)
    named = [_numbers(site, "sample", ids), _numbers(site, "group", groups)]
    if datalist is not None and not ids and not groups:
        named[0] = [item["sample_id"] for item in load_section(datalist, section)]
    held = set(memory.groups.tolist())
    judged, not_judged = judged_sets(trained, datalist, site, judged_section, held)
    before = [told_by(memory, cases) for cases in judged]
    begun = perf_counter()
    removed = memory.remove(*(torch.tensor(numbers, dtype=torch.int64) for numbers in named))
    if not removed:
        raise ValueError(f"{choice.memory_path} holds none of these cases: there is nothing to remove.")
    memory.rebuild()  # not even rounding shall tell of them
    choices = memory.choices
    seconds = {"removing them": perf_counter() - begun}
    judgements = [judge(cases, told, told_by(memory, cases)) for cases, told in zip(judged, before)]
    save_memory(memory, choice.memory_path)
    learned = int(memory.learned.sum())
    counts = removed, learned, len(memory) - learned
    names = memory.class_names
    return MemoryReport(
        choice.memory_path, "removed", *counts, names, judgements, choices, seconds, not_judged=not_judged
    )


def _numbers(site: Datalist | None, kind: str, words: Sequence[str]) -> list[int]:
    """Opaque ids of samples or groups that are named by key or by number."""
    items = [] if site is None else [item for part in site.sections.values() for item in part]
    known = {item[f"{kind}_key"]: item[f"{kind}_id"] for item in items}
    unknown = [word for word in words if word not in known and not word.isdigit()]
    if unknown:
        raise ValueError(
            f"{kind} {', '.join(unknown)} is no {kind} of the datalist and no opaque id: give the datalist that has it."
        )
    return [known[word] if word in known else int(word) for word in words]
