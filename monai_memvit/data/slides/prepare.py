"""The whole way from a folder of slides to tile indices, and with labels to a datalist."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..atomic import atomic_write_json, atomic_write_text
from ..datalist import SECTIONS, Datalist
from ..datalist_checks import check_labels, check_splits
from ..fingerprint import content_fingerprint
from ..identity import IDENTITY_FILE, IdentityKey, id_map
from ..mri.case_folder import remove_stale
from ..patches.sections import assign_sections
from ..patches.source import PatchRecord
from .find_slides import find_slides
from .report import SlideIndexReport, SlideProblem, SlideReport
from .slide_cache import SLIDES, index_slides
from .slide_labels import LabelledSlide, SlideLabels, read_slide_labels
from .slide_options import SlideOptions

__all__ = ["prepare_slides"]

_DEFAULT = SlideOptions()


def prepare_slides(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: SlideOptions = _DEFAULT,
    workers: int | None = None,
    progress: bool = True,
) -> SlideReport:
    """Find the tissue of every slide, cut it into tiles of one scale, and judge them.

    Into ``out`` go ``slides/<digest>/`` (``tiles.parquet``, ``tiles.geojson`` for QuPath, ``thumbnail.png``),
    ``report.json``, ``report.md``, and with labels ``datalist.json`` and ``identity.key``; the image of an item is the
    slide's ``tiles.parquet``. Slides that cannot be used are reported and left out. What is done is kept: a killed run
    is taken up where it was, and unchanged slides are not indexed again. One process at a time prepares into a folder.

    Args:
        source: folder of slides, or one slide.
        out: folder; made where absent.
        options: how to cut, label and split.
        workers: processes; by default one per core, 0 for none but this one. The result does not depend on them.
        progress: whether to show a bar on stderr.

    Returns:
        What was written and what was left out.

    Raises:
        ValueError: where the set as a whole cannot be used; an older datalist then stays.
    """
    source, out = Path(source), Path(out)
    _check_places(source, out)
    labels = read_slide_labels(Path(options.labels), options.class_names) if options.labels is not None else None
    slides = find_slides(source)
    rows, absent = labels.match(slides) if labels is not None else ({}, [])
    _check_sections(rows, options)
    problems = [SlideProblem(name, f"{options.labels} names it, but it is not in {source}") for name in absent]
    indexed, failed, kept = index_slides(slides, options.tiles, out, workers, progress)
    problems += failed
    if not indexed:
        raise ValueError(f"{source}: no slide can be used (the first of {len(problems)} problems: {problems[0]})")
    name = options.name or source.resolve().stem
    report = SlideReport(out, name, options.tiles.as_dict(), indexed, problems)
    datalist = None
    if labels is not None:
        problems += [SlideProblem(s.slide, f"{labels.path} has no label") for s in indexed if s.slide not in rows]
        datalist, report = _labelled(report, labels, rows, options)
    atomic_write_json(out / "report.json", report.as_dict())
    atomic_write_text(out / "report.md", report.as_markdown())
    if datalist is not None:
        datalist.save(out / "datalist.json")
    remove_stale(out / SLIDES, kept)
    return report


def _check_places(source: Path, out: Path) -> None:
    if not source.exists():
        raise ValueError(f"{source} does not exist: give a folder of slides, or one slide")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{out} lies inside {source}, where slides are looked for: choose a folder elsewhere")
    if source.resolve().is_relative_to((out / SLIDES).resolve()):
        raise ValueError(f"{source} lies where {out} would put its indices ({SLIDES}): choose another folder to fill")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: choose a folder")
    if (out / IDENTITY_FILE).exists():
        IdentityKey.load(out)


def _check_sections(rows: dict[str, LabelledSlide], options: SlideOptions) -> None:
    """Options that do not fit the table are told now, not after hours of work."""
    if rows:
        records = [PatchRecord(key, row.patient, row.label, row.split, Path(key), key) for key, row in rows.items()]
        assign_sections(records, options.val_fraction, options.test_fraction, options.seed)


def _labelled(
    report: SlideReport, labels: SlideLabels, rows: dict[str, LabelledSlide], options: SlideOptions
) -> tuple[Datalist, SlideReport]:
    """The datalist of the slides that have a label, and the report with its counts."""
    slides = [slide for slide in report.slides if slide.slide in rows]
    records = [_patch_record(slide, rows[slide.slide]) for slide in slides]
    sections = assign_sections(records, options.val_fraction, options.test_fraction, options.seed)
    identity = IdentityKey.load_or_create(report.out)
    by_section: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for slide, record, section in zip(slides, records, sections, strict=True):
        by_section[section].append(_item(slide, record, identity))
    check_labels(by_section, labels.class_names, str(labels.path))
    check_splits(by_section, str(labels.path))
    digests = [(r.sample_key, r.group_key, r.label, s) for r, s in zip(records, sections, strict=True)]
    pixels = [f"{slide.fingerprint}/{slide.folder.rpartition('/')[2]}" for slide in slides]
    datalist = Datalist(
        name=report.name,
        class_names=labels.class_names,
        num_channels=3,
        fingerprint=content_fingerprint(labels.class_names, [(*d, p) for d, p in zip(digests, pixels, strict=True)]),
        id_map=id_map(item["sample_id"] for items in by_section.values() for item in items),
        sections=by_section,
    )
    datalist.validate(identity, origin=str(report.out))
    return datalist, _counted(report, datalist)


def _patch_record(slide: SlideIndexReport, row: LabelledSlide) -> PatchRecord:
    return PatchRecord(slide.slide, row.patient, row.label, row.split, Path(slide.folder), slide.slide)


def _item(slide: SlideIndexReport, record: PatchRecord, identity: IdentityKey) -> dict[str, Any]:
    return {
        "image": f"{slide.folder}/tiles.parquet",
        "label": record.label,
        "sample_key": record.sample_key,
        "group_key": record.group_key,
        "sample_id": identity.identify(record.sample_key),
        "group_id": identity.identify(record.group_key),
    }


def _counted(report: SlideReport, datalist: Datalist) -> SlideReport:
    return replace(
        report,
        class_names=datalist.class_names,
        fingerprint=datalist.fingerprint,
        counts={section: _classes(items, datalist.class_names) for section, items in datalist.sections.items()},
        groups={section: len({item["group_id"] for item in items}) for section, items in datalist.sections.items()},
    )


def _classes(items: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, int]:
    found = Counter(item["label"] for item in items)
    return {name: found[label] for label, name in enumerate(names)}
