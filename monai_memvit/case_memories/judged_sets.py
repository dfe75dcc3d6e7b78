"""Which cases tell whether a change of the memory helped: the new site's own, and those of the old site."""

from __future__ import annotations

from pathlib import Path

from ..data import Datalist, load_section
from .judging import JudgedCases
from .looking import look_at
from .report import LeftOut
from .trained_bundle import TrainedBundle

__all__ = ["judged_sets", "unreadable_cases"]


def judged_sets(trained: TrainedBundle, path: Path | None, site: Datalist | None, section: str) -> list[JudgedCases]:
    """Look at the cases that are judged on.

    Args:
        trained: the network.
        path: datalist of the cases that are added or removed; None judges on the old site alone.
        site: its content.
        section: of it, to judge on; empty for none.

    Returns:
        the new site's, where it has any, and the validation section of the network's own datalist.
    """
    found = []
    if path is not None and site is not None and section:
        cases = look_at(trained, load_section(path, section))
        found.append(JudgedCases(f"{site.name}, {section}", site.class_names, cases))
    if path is None or (path.resolve(), section) != (trained.datalist.resolve(), "validation"):
        cases = look_at(trained, load_section(trained.datalist, "validation"))
        found.append(JudgedCases(f"{trained.home.name}, validation (old site)", trained.home.class_names, cases))
    return found


def unreadable_cases(unreadable: dict[int, str], keys: dict[int, str]) -> list[LeftOut]:
    """Cases that could not be read.

    Args:
        unreadable: causes by sample id.
        keys: readable keys by sample id.
    """
    return [LeftOut(i, "unreadable", f"unreadable: {keys.get(i, i)}: {cause}") for i, cause in unreadable.items()]
