"""The whole way from a folder of MRI studies to a datalist of slices."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import atomic_write_json, atomic_write_text
from ..datalist import SECTIONS, Datalist
from ..datalist_checks import check_labels, check_splits
from ..fingerprint import content_fingerprint
from ..identity import IDENTITY_FILE, IdentityKey, id_map
from ..patches.sections import assign_sections
from ..patches.source import PatchRecord
from .case_cache import CASES, cache_cases
from .case_folder import remove_stale
from .case_report import report_case
from .labels import LabelTable, read_label_table
from .pipeline_file import pipeline_digest, save_pipeline
from .quality_page import quality_page
from .report import MriReport, position_shares
from .slice_labels import LabelledCase, check_table, label_cases
from .slices.pipeline import MriPipeline
from .sources.find import find_studies
from .sources.find_options import FindOptions
from .studies import StudyProblem

__all__ = ["MriOptions", "prepare_mri"]


@dataclass(frozen=True)
class MriOptions:
    """How a folder of studies is read, labelled and split.

    Args:
        pipeline: what is done to every case.
        find: how sequences are recognised; by default those of the pipeline, its reference being required.
        labels: CSV of slice labels, or of splits only (see :func:`monai_memvit.data.mri.labels.read_label_table`);
            without labels of slices they come from the tumour masks.
        class_names: classes in label order; labels from masks are the first (no tumour) and the second (tumour).
        min_area_mm2: of tumour, from which on a slice shows it; slices with less, but not none, are left out.
        val_fraction: share of the training patients to hold out as validation, default 0.1, where no split is given.
        test_fraction: share of all patients to hold out as test, default 0.2, where no split is given.
        seed: of the splits that are drawn.
        name: name of the data set; by default that of the source.

    Raises:
        ValueError: for values that do not fit together.
    """

    pipeline: MriPipeline = field(default_factory=MriPipeline)
    find: FindOptions | None = None
    labels: str | os.PathLike[str] | None = None
    class_names: Sequence[str] = ("normal", "tumour")
    min_area_mm2: float = 50.0
    val_fraction: float | None = None
    test_fraction: float | None = None
    seed: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        if not self.min_area_mm2 >= 0:
            raise ValueError(f"min area is {self.min_area_mm2} mm²: give 0 or more")
        if len(self.class_names) < 2 or len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f"class names are {', '.join(self.class_names)}: give two distinct names at least")
        if self.find is not None and self.find.sequences != self.pipeline.sequences:
            found, channels = ", ".join(self.find.sequences), ", ".join(self.pipeline.sequences)
            raise ValueError(f"{found} are looked for, but the channels are {channels}: give both the same sequences")

    def finding(self) -> FindOptions:
        """Return how sequences are recognised."""
        pipeline = self.pipeline
        return self.find or FindOptions(sequences=pipeline.sequences, required=(pipeline.reference,))


def prepare_mri(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: MriOptions = MriOptions(),
    workers: int | None = None,
    progress: bool = True,
) -> MriReport:
    """Find the sequences of every case, register and normalise them, label and split their slices.

    Into ``out`` go ``datalist.json``, ``cases/`` (the slices), ``pipeline.json`` (to do the same to new patients),
    ``report.json``, ``report.md``, ``quality.html`` and ``identity.key``. Cases that cannot be used are reported and
    left out. What is done is kept: a killed run is taken up where it was, and cases of unchanged files and
    parameters are not computed again. Earlier cases stay until the datalist is replaced. One process at a time prepares
    into a folder.

    Args:
        source: folder of studies, or a CSV of files (see :func:`monai_memvit.data.mri.sources.find.find_studies`).
        out: folder; made where absent.
        options: how to read, label and split.
        workers: processes; by default one per core, 0 for none but this one. The result does not depend on them.
        progress: whether to show a bar on stderr.

    Returns:
        What was written and what was left out.

    Raises:
        ValueError: where the set as a whole cannot be used; an older datalist then stays.
    """
    source, out = Path(source), Path(out)
    _check_places(source, out)
    table = read_label_table(Path(options.labels), options.class_names) if options.labels is not None else None
    studies, problems = find_studies(source, options.finding())
    studies, unlabelled = check_table(studies, {problem.case_key for problem in problems}, table, options.class_names)
    problems = [*problems, *unlabelled]
    _require_any(studies, problems, source)

    cases, failed = cache_cases(studies, options.pipeline, out, workers, progress)
    labelled, unfitting = label_cases(cases, table, options.min_area_mm2)
    problems += [*failed, *unfitting]
    _require_any(labelled, problems, source)
    datalist = _datalist(
        labelled, table, options, IdentityKey.load_or_create(out), options.name or source.resolve().stem
    )
    datalist.validate(origin=str(out))
    report = _report(datalist, out / "datalist.json", labelled, problems)
    _write(report, datalist, options, out)
    remove_stale(out / CASES, {case.folder.name for case in cases})
    return report


def _check_places(source: Path, out: Path) -> None:
    if not source.exists():
        raise ValueError(f"{source} does not exist: give a folder of studies, or a CSV of their files")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{out} lies inside {source}, where studies are looked for: choose a folder elsewhere")
    if source.resolve().is_relative_to((out / CASES).resolve()):
        raise ValueError(f"{source} lies where {out} would put prepared cases ({CASES}): choose another folder to fill")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: choose a folder")
    if (out / IDENTITY_FILE).exists():
        IdentityKey.load(out)


def _require_any(found: Sequence[Any], problems: Sequence[StudyProblem], source: Path) -> None:
    if not found:
        first = f"the first of {len(problems)} problems: {problems[0]}" if problems else "there is no study"
        raise ValueError(f"{source}: no case can be used ({first}): mend the source or the options")


def _datalist(
    cases: Sequence[LabelledCase], table: LabelTable | None, options: MriOptions, identity: IdentityKey, name: str
) -> Datalist:
    items = [item for case in cases for item in _items(case, identity)]
    splits = None if table is None or table.splits is None else table.splits
    records = [_record(case, number, label, splits) for case in cases for number, label in case.labels.items()]
    sections = assign_sections(records, options.val_fraction, options.test_fraction, options.seed)
    by_section: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for item, section in zip(items, sections, strict=True):
        by_section[section].append(item)
    check_labels(by_section, options.class_names, name)
    check_splits(by_section, name)
    pixels = [f"{case.cached.record['image_digest']}/{number}" for case in cases for number in case.labels]
    rows = [
        (item["sample_key"], item["group_key"], item["label"], section, digest)
        for item, section, digest in zip(items, sections, pixels, strict=True)
    ]
    return Datalist(
        name=name,
        class_names=list(options.class_names),
        num_channels=len(options.pipeline.sequences),
        fingerprint=content_fingerprint(options.class_names, rows),
        id_map=id_map(item["sample_id"] for item in items),
        sections=by_section,
        channel_names=list(options.pipeline.sequences),
        pipeline=pipeline_digest(options.pipeline, options.finding()),
    )


def _items(case: LabelledCase, identity: IdentityKey) -> list[dict[str, Any]]:
    study, record = case.cached.study, case.cached.record
    return [
        {
            "image": f"{CASES}/{case.cached.folder.name}/image.npy",
            "slice": number,
            "channel_mask": record["slice_channel_mask"][number],
            "label": label,
            "sample_key": f"{study.case_key}/{number}",
            "group_key": study.patient_key,
            "sample_id": identity.identify(f"{study.case_key}/{number}"),
            "group_id": identity.identify(study.patient_key),
            "case_id": identity.identify(f"case:{study.case_key}"),
        }
        for number, label in case.labels.items()
    ]


def _record(case: LabelledCase, number: int, label: int, splits: dict[str, str] | None) -> PatchRecord:
    study = case.cached.study
    split = None if splits is None else splits[study.case_key]
    return PatchRecord(
        f"{study.case_key}/{number}", study.patient_key, label, split, case.cached.folder, study.case_key
    )


def _report(
    datalist: Datalist, path: Path, cases: Sequence[LabelledCase], problems: Sequence[StudyProblem]
) -> MriReport:
    counts = {
        section: {
            name: Counter(item["label"] for item in items)[label] for label, name in enumerate(datalist.class_names)
        }
        for section, items in datalist.sections.items()
    }
    return MriReport(
        datalist=path,
        name=datalist.name,
        class_names=datalist.class_names,
        channel_names=datalist.channel_names,
        fingerprint=datalist.fingerprint,
        counts=counts,
        groups={section: len({item["group_id"] for item in items}) for section, items in datalist.sections.items()},
        positions=position_shares([place for case in cases for place in _places(case)], datalist.class_names),
        cases=[report_case(case.cached, len(case.labels), len(case.ambiguous)) for case in cases],
        problems=list(problems),
    )


def _places(case: LabelledCase) -> list[tuple[float, int]]:
    first, last = min(case.labels), max(case.labels)
    return [((number - first) / max(last - first, 1), label) for number, label in case.labels.items()]


def _write(report: MriReport, datalist: Datalist, options: MriOptions, out: Path) -> None:
    atomic_write_json(out / "report.json", report.as_dict())
    atomic_write_text(out / "report.md", report.as_markdown())
    atomic_write_text(out / "quality.html", quality_page(report.cases, report.problems))
    save_pipeline(options.pipeline, options.finding(), out)
    datalist.save(report.datalist)
