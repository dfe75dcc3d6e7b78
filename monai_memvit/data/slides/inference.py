"""Slides for an inference run: of a datalist's section, or new ones, cut as the datalist's were."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..atomic import atomic_write_text
from ..datalist import load_section
from ..identity import IdentityKey
from ..inference_cases import CaseList
from .find_slides import find_slides
from .slide_cache import index_slides
from .slide_options import TileOptions
from .tile_index import TileIndex

__all__ = ["load_new_slides", "load_tile_options"]

_REPORT = "report.json"
_LEFT_OUT = "left_out.txt"
_NAMES = "slides.csv"


def load_new_slides(
    datalist: str | os.PathLike[str],
    source: str | os.PathLike[str] = "",
    work_dir: str | os.PathLike[str] = "",
    section: str = "test",
    workers: int = 0,
    check: Callable[[str], object] = TileIndex.load,
) -> CaseList:
    """A section of a datalist, or every slide below a folder.

    New slides are cut into tiles as the datalist's were (``report.json`` beside it); their indices, GeoJSON and
    thumbnails lie below ``work_dir``, where a second run finds them. Opaque ids are made with the datalist's
    ``identity.key``; the keys are ``new:`` and the path below ``source``, so that none is taken for a slide of the
    datalist. Every new slide counts as a patient of its own: files do not tell whose they are. ``slides.csv`` in
    ``work_dir`` says which file stands behind which id, ``left_out.txt`` which cannot be used, and why; both may name
    patients and stay there.

    Args:
        datalist: the ``datalist.json`` of training.
        source: folder of new slides, searched through, or one slide; empty for a section.
        work_dir: folder for the indices of new slides; must be given with ``source``.
        section: which of the datalist's sections, where ``source`` is empty.
        workers: processes that index; 0 for none but this one, which is soonest done for a few slides.
        check: called with every slide's ``tiles.parquet``; raises ``ValueError`` where the slide cannot be read:
            :meth:`TileSource.check`. By default the index alone is looked at.

    Returns:
        Items with ``image`` (the slide's ``tiles.parquet``), ``sample_id``, ``group_id`` and, of a section, ``label``.
        Slides that cannot be used are in its ``broken``.

    Raises:
        ValueError: where there is no slide, or none that can be used, or ``report.json`` is missing.
    """
    if str(source):  # a command line hands over a folder named 815 as a number
        cases = _new_slides(Path(str(datalist)), Path(str(source)), Path(str(work_dir)), workers, check)
        told = f"{Path(str(work_dir)) / _LEFT_OUT} says why"
    else:
        items = load_section(datalist, section)
        causes = {item["image"]: _cause(item, check) for item in items}
        broken = {image: cause for image, cause in causes.items() if cause}
        cases = CaseList((item for item in items if item["image"] not in broken), broken)
        told = f"the first as {next(iter(broken.values()), 'there is none')}"
    if cases.broken:  # a file may bear a name: it stands in the error at the end, not in the log
        logging.getLogger(__name__).error("%d slides are left out; the end of the run names them", len(cases.broken))
    if not cases:
        raise ValueError(f"none of the {len(cases.broken)} slides can be used, {told}: mend or replace them")
    return cases


def load_tile_options(folder: str | os.PathLike[str]) -> TileOptions:
    """How the slides of a prepared folder were cut.

    Args:
        folder: as ``prepare slides`` left it.

    Raises:
        ValueError: where its ``report.json`` is missing or is none.
    """
    path = Path(folder) / _REPORT
    try:
        return TileOptions(**json.loads(path.read_text(encoding="utf-8"))["parameters"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not tell how slides were cut ({type(error).__name__}: {error}): prepare the slides again"
        ) from None


def _new_slides(datalist: Path, source: Path, work_dir: Path, workers: int, check: Callable[[str], object]) -> CaseList:
    if work_dir == Path(""):
        raise ValueError(f"{source} is to be prepared, but work_dir is empty: name a folder for its tile indices")
    if not source.exists():
        raise ValueError(f"{source} does not exist: give a folder of slides, or one slide")
    options, identity = load_tile_options(datalist.parent), IdentityKey.load(datalist.parent)
    work_dir.mkdir(parents=True, exist_ok=True)
    indexed, problems, _ = index_slides(find_slides(source), options, work_dir, workers, progress=False)
    items, rows = [], []
    broken = {_in_utf8(problem.slide): _in_utf8(problem.cause) for problem in problems}
    for report in indexed:
        name = _in_utf8(report.slide)
        sample_id = identity.identify(f"new:{name}")
        image = str((work_dir / report.folder / "tiles.parquet").absolute())
        item = {"image": image, "sample_id": sample_id, "group_id": sample_id}
        if cause := _cause(item, check):
            broken[name] = cause
            continue
        items.append(item)
        rows.append([sample_id, name, image])
    atomic_write_text(work_dir / _LEFT_OUT, "".join(f"{slide}: {cause}\n" for slide, cause in broken.items()))
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["sample_id", "slide", "image"], *rows])
    atomic_write_text(work_dir / _NAMES, text.getvalue())
    return CaseList(items, broken)


def _cause(item: Mapping[str, Any], check: Callable[[str], object]) -> str:
    """Why a slide cannot be used; empty where it can."""
    try:
        check(item["image"])
    except ValueError as error:
        return str(error)
    return ""


def _in_utf8(text: str) -> str:
    """A path that can be written down: names of old exports are in Latin-1, whose bytes are shown as numbers."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
