"""Which cases tell whether a change of the memory helped: the new site's own, and those of the old site."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from ..data import Datalist, load_section
from .judging import JudgedCases
from .looking import look_at
from .report import LeftOut, NotJudged
from .trained_bundle import TrainedBundle

__all__ = ["judged_sets", "unreadable_cases"]


def judged_sets(
    trained: TrainedBundle, path: Path | None, site: Datalist | None, section: str, held: Collection[int]
) -> tuple[list[JudgedCases], list[NotJudged]]:
    """Look at the cases that are judged on.

    A patient of whom the memory holds a case, or takes one in, is no new one: none of this patient's cases judges.

    Args:
        trained: the network.
        path: datalist of the cases that are added or removed; None judges on the old site alone.
        site: its content.
        section: of it, to judge on; empty for none.
        held: opaque ids of the patients or slides that stand in the memory before or after.

    Returns:
        the new site's, where it has any, and the validation section of the network's own datalist; a set of which no
        case is left is not among them. And what was left out of each.
    """
    parts = []
    if path is not None and site is not None and section:
        parts.append((f"{site.name}, {section}", site, path, section))
    if path is None or (path.resolve(), section) != (trained.datalist.resolve(), "validation"):
        parts.append((f"{trained.home.name}, validation (old site)", trained.home, trained.datalist, "validation"))
    found, kept_out = [], []
    for name, data, origin, part in parts:
        items = load_section(origin, part)
        free = [item for item in items if item["group_id"] not in held]
        if free:
            found.append(JudgedCases(name, data.class_names, look_at(trained, free)))
        if len(free) < len(items):
            groups = sorted({int(item["group_id"]) for item in items} & {*held})
            logging.getLogger(__name__).info("not judged on: patients or slides %s: in the memory", groups)
            kept_out.append(NotJudged(name, len(items) - len(free), len(groups), len(free)))
    return found, kept_out


def unreadable_cases(unreadable: dict[int, str], keys: dict[int, str]) -> list[LeftOut]:
    """Cases that could not be read.

    Args:
        unreadable: causes by sample id.
        keys: readable keys by sample id.
    """
    return [LeftOut(i, "unreadable", f"unreadable: {keys.get(i, i)}: {cause}") for i, cause in unreadable.items()]
