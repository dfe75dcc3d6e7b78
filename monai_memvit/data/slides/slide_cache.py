"""Indices on disk: made once for a given slide and given parameters, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..mri.case_folder import new_folder, remove_unfinished
from ..workers import run_each
from .find_slides import SlideSource
from .report import SlideIndexReport, SlideProblem
from .slide_options import TileOptions

__all__ = ["SLIDES", "index_slides"]

SLIDES = "slides"
_FILES = ("tiles.parquet", "tiles.geojson", "thumbnail.png", "record.json")
_PRELOADED = [
    "torch",
    "monai_memvit.data.slides.indexing",
    "monai_memvit.data.slides.thumbnail",
    "monai_memvit.data.slides.readers.openslide_reader",
    "monai_memvit.data.slides.readers.dicom_reader",
]


def index_slides(
    slides: Sequence[SlideSource], options: TileOptions, out: Path, workers: int | None = None, progress: bool = True
) -> tuple[list[SlideIndexReport], list[SlideProblem], set[str]]:
    """Index every slide, in ``out/slides/<digest of slide and parameters>``; what is there already is taken over.

    It can be killed at any time: what was finished is kept, the rest is done by the next call, with the same bytes.

    Args:
        slides: to index.
        options: how they are cut.
        out: folder; ``slides`` is made in it.
        workers: processes of one thread, a slide each; by default one per core, 0 for none but this one. The result
            does not depend on their number.
        progress: whether to show a bar on stderr.

    Returns:
        The indexed slides and why others are not, both in the order of ``slides``, and the names of all folders that
        are of use. Of slides of the same content only the first is told: the same tissue under two names could stand on
        both sides of a split.
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 0:
        raise ValueError(f"workers is {workers}: give 0 or more")
    folder = out / SLIDES
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)
    names: dict[int, str] = {}
    causes: dict[int, str] = {}
    ended = run_each(partial(_index, options, folder), slides, workers, _PRELOADED)
    for done in tqdm(ended, total=len(slides), desc="index slides", disable=not progress):
        if done.result is None:
            causes[done.position] = done.cause
        else:
            names[done.position] = done.result
    records = {i: _record(folder / names[i]) for i in sorted(names)}
    _refuse_twins(records, causes)
    reports = [SlideIndexReport(folder=f"{SLIDES}/{names[i]}", **records[i]) for i in records if i not in causes]
    return reports, [SlideProblem(slides[i].key, causes[i]) for i in sorted(causes)], set(names.values())


def _index(options: TileOptions, parent: Path, slide: SlideSource) -> str:
    """In a worker's process: index a slide and write its folder, unless it is there; its name is returned."""
    from .geojson import tiles_geojson
    from .indexing import index_slide, slide_key
    from .readers.open_slide import open_slide
    from .thumbnail import tiles_picture

    target = parent / slide_key(open_slide(slide.path, options.mpp), slide.key, options)
    if _is_whole(target):
        return target.name
    index, overview, _ = index_slide(slide.path, options, slide.key)
    shutil.rmtree(target, ignore_errors=True)  # somebody took a file out of it, or the disk damaged one
    with new_folder(target) as folder:
        index.save(folder / "tiles.parquet")
        (folder / "tiles.geojson").write_text(tiles_geojson(index), encoding="utf-8")
        tiles_picture(overview, index).save(folder / "thumbnail.png")
        record = json.dumps(_facts(index), indent=1, allow_nan=False)
        (folder / "record.json").write_text(record + "\n", encoding="utf-8")
    return target.name


def _is_whole(folder: Path) -> bool:
    from .tile_index import TileIndex

    try:
        TileIndex.load(folder / "tiles.parquet")
        _record(folder)
    except (OSError, ValueError):
        return False
    return all((folder / name).is_file() for name in _FILES)


def _facts(index: Any) -> dict[str, Any]:
    from .tile_index import FLAGS

    slide, tissue = index.header["slide"], index.header["tissue"]
    notes = list(slide["notes"])
    if not slide["tells_mpp"]:
        notes.append("its scale was given, not told")
    if tissue["every"] > 1:
        notes.append(f"it has no small level: tissue was looked for in every {tissue['every']}th block by x and by y")
    if tissue["unread"]:
        notes.append(f"{tissue['unread']:.1%} of it cannot be read")
    return {
        "slide": slide["name"],
        "fingerprint": slide["fingerprint"],
        "size": slide["size"],
        "mpp": slide["mpp"],
        "tiles": len(index),
        "tissue_mm2": tissue["area_mm2"],
        "flagged": {name: int(index.flagged(name).sum()) for name in FLAGS},
        "notes": notes,
    }


def _record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    return content


def _refuse_twins(records: dict[int, dict[str, Any]], causes: dict[int, str]) -> None:
    first: dict[str, int] = {}
    for i, record in records.items():
        twin = first.setdefault(record["fingerprint"], i)
        if twin != i:
            causes[i] = f"its content is that of {records[twin]['slide']}, under another name: remove one of the two"
