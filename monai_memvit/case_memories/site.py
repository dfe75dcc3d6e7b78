"""A datalist whose cases are to be added or taken away: what must hold of it, and how its cases are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ..data import Datalist, load_section
from .trained_bundle import TrainedBundle

__all__ = ["check_class_names", "check_site", "judge_section", "section_items", "site_keys"]


def check_site(path: Path, trained: TrainedBundle) -> Datalist:
    """Read a datalist and refuse one whose images this network was not made for.

    Args:
        path: the ``datalist.json``.
        trained: the network.

    Returns:
        the datalist.

    Raises:
        ValueError: when it has several findings per image, other channels, or went through another preparation.
    """
    site, home = Datalist.load(path), trained.home
    if site.multi_label:
        raise ValueError(f"{path} has several findings per image: a case memory takes cases of one class each.")
    if not site.class_names:
        raise ValueError(f"{path} holds images without labels: give labelled ones.")
    if (site.num_channels, site.channel_names) != (home.num_channels, home.channel_names):
        raise ValueError(
            f"{path} has channels {_channels(site)}, but the network was trained on {_channels(home)}: prepare the "
            "data with the same ones, in the same order."
        )
    if site.pipeline != home.pipeline:
        raise ValueError(
            f"{path} was prepared in another way ({_named(site.pipeline)}) than the data of the network "
            f"({_named(home.pipeline)}, {trained.datalist}): prepare it with the same options."
        )
    return site


def _channels(datalist: Datalist) -> str:
    return ", ".join(datalist.channel_names) or str(datalist.num_channels)


def _named(pipeline: str) -> str:
    return f"pipeline {pipeline[:12]}…" if pipeline else "no pipeline"


def check_class_names(
    items: Sequence[dict[str, Any]], names: Sequence[str], known: Sequence[str], new: Collection[str], origin: Path
) -> None:
    """Refuse labels that nobody knows.

    Args:
        items: of the cases to add.
        names: what their labels mean.
        known: classes of network and memory.
        new: classes that are to become new ones.
        origin: of the cases.

    Raises:
        ValueError: when a class is neither known nor to be new, or no case is of a class that is to be new.
    """
    counts = Counter(names[item["label"]] for item in items)
    unknown = [f"{name} ({counts[name]})" for name in names if counts[name] and name not in {*known, *new}]
    if unknown:
        raise ValueError(
            f"{origin} has cases of classes that the network does not know: {', '.join(unknown)}; it knows "
            f"{', '.join(known)}. Name them as the network does, or add them as new ones by --new-classes."
        )
    absent = [name for name in new if not counts[name]]
    if absent:
        raise ValueError(f"--new-classes names {', '.join(absent)}, of which {origin} has no case: correct it.")


def section_items(path: Path, section: str) -> list[dict[str, Any]]:
    """Items of a section; none where it is empty.

    Args:
        path: the ``datalist.json``.
        section: its name.
    """
    return load_section(path, section) if Datalist.load(path).sections[section] else []


def judge_section(site: Datalist, added: str, wanted: str | None) -> str:
    """Which section is judged on before and after.

    Args:
        site: the datalist of the cases.
        added: section of the cases that are added.
        wanted: by the user; None takes validation, or test where validation is added or empty.

    Returns:
        name of the section; empty where there is none left.

    Raises:
        ValueError: when the cases that are added are to judge.
    """
    if wanted == added:
        raise ValueError(f"--judge {wanted}: these cases are added, which cannot be judged on: take another section.")
    return wanted or next((name for name in ("validation", "test") if name != added and site.sections[name]), "")


def site_keys(site: Datalist) -> dict[int, str]:
    """Readable keys of cases by sample id: for messages at this terminal, never for a file or a log.

    Args:
        site: the datalist.
    """
    return {item["sample_id"]: item["sample_key"] for items in site.sections.values() for item in items}
