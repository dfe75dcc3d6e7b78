"""Cases of another hospital taken into a bundle's case memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from ..data import Datalist, load_section
from ..memory import CaseMemory
from .image_content import known_contents, repeated_images
from .judged_sets import judged_sets, unreadable_cases
from .judging import judge, told_by
from .looking import SeenCases, look_at
from .memory_file import load_memory, save_memory
from .report import LeftOut, MemoryReport
from .site import check_class_names, check_site, judge_section, section_items, site_keys
from .trained_bundle import BundleChoice, TrainedBundle, load_trained_bundle

__all__ = ["add_cases"]


def add_cases(
    choice: BundleChoice,
    datalist: Path,
    section: str = "training",
    judge_on: str | None = None,
    new_classes: Sequence[str] = (),
    with_training: bool = True,
) -> MemoryReport:
    """Extend a case memory, and tell what the network says before and after of cases that are not in it.

    A case is left out, and reported, when it cannot be read, or when its image is one that the network was trained on,
    that stands in a section to judge on, or that was given before. Patients of whom the memory holds a case, or takes
    one in, do not judge (see :func:`~.judged_sets.judged_sets`).

    Args:
        choice: the network.
        datalist: of the cases to add.
        section: of it.
        judge_on: section of it to judge on; None takes validation.
        new_classes: names of classes that the network does not know and shall learn to tell.
        with_training: whether a memory that is begun first takes in the cases of the network's training; new cases are
            read together with them.

    Returns:
        counts, figures, seconds and what was left out; the memory is written then.

    Raises:
        ValueError: when the cases do not belong to this network (see :func:`~.site.check_site`), have unknown classes,
            or are in the memory already, or when none is left to add; the memory then stays as it was.
    """
    trained = load_trained_bundle(choice)
    site = check_site(datalist, trained)
    memory, items = load_memory(choice.memory_path, trained), load_section(datalist, section)
    judged_section = judge_section(site, section, judge_on)
    check_class_names(items, site.class_names, memory.class_names, new_classes, datalist)
    _refuse_stored(items, memory, site, datalist)
    left_out = _repeated(trained, datalist, site, section, items)
    gone = {case.sample_id for case in left_out}
    sound = [item for item in items if item["sample_id"] not in gone]
    if not sound:
        raise ValueError(f"{datalist}: no case is left to add, the first: {left_out[0].message}.")
    learned_from = trained.trained_on if with_training and not len(memory) else []
    held = {*memory.groups.tolist(), *(item["group_id"] for item in (*learned_from, *sound))}
    judged, not_judged = judged_sets(trained, datalist, site, judged_section, held)
    before = [told_by(memory, cases) for cases in judged]
    if learned_from:
        training = look_at(trained, learned_from)
        _extend(memory, training, trained.home.class_names, learned=True)
        left_out += unreadable_cases(training.unreadable, site_keys(trained.home))
    added = look_at(trained, sound)
    begun = perf_counter()
    _extend(memory, added, site.class_names)
    choices = memory.choices
    seconds = {"forward pass over the added cases": added.seconds, "adding them": perf_counter() - begun}
    left_out += unreadable_cases(added.unreadable, site_keys(site))
    for case in left_out:
        logging.getLogger(__name__).info("left out: case %d: %s", case.sample_id, case.cause)
    judgements = [judge(cases, told, told_by(memory, cases)) for cases, told in zip(judged, before)]
    save_memory(memory, choice.memory_path)
    learned = int(memory.learned.sum())
    counts = len(added.ids), learned, len(memory) - learned
    names = memory.class_names
    return MemoryReport(choice.memory_path, "added", *counts, names, judgements, choices, seconds, left_out, not_judged)


def _extend(memory: CaseMemory, cases: SeenCases, class_names: Sequence[str], learned: bool = False) -> None:
    memory.extend(cases.ids, cases.features, cases.logits, cases.labels, cases.groups, learned, class_names=class_names)


def _refuse_stored(items: Sequence[dict[str, Any]], memory: CaseMemory, site: Datalist, path: Path) -> None:
    stored = set(memory.ids.tolist())
    found = [item["sample_id"] for item in items if item["sample_id"] in stored]
    if found:
        raise ValueError(
            f"{path}: {len(found)} case(s) are in the memory already, the first: {site_keys(site)[found[0]]}: remove "
            "them first by `memory remove`."
        )


def _repeated(
    trained: TrainedBundle, path: Path, site: Datalist, section: str, items: Sequence[dict[str, Any]]
) -> list[LeftOut]:
    parts = [
        (f"an image of the {name} section of {data.name}", section_items(origin, name))
        for origin, data in ((path, site), (trained.datalist, trained.home))
        for name in ("validation", "test")
        if (origin.resolve(), name) != (path.resolve(), section)
    ]
    known = known_contents([*parts, ("an image that the network was trained on", trained.trained_on)])
    keys = site_keys(site)
    return [
        LeftOut(i, f"it is {what}", f"left out: {keys[i]}: it is {what}")
        for i, what in repeated_images(items, known).items()
    ]
