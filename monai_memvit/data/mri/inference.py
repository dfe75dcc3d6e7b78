"""Slices for an inference run: of a datalist's section, or of new patients, prepared as the datalist's were."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_write_text
from ..datalist import load_channel_names, load_pipeline_digest, load_section
from ..identity import IdentityKey
from ..inference_cases import CaseList
from .case_cache import CachedCase, cache_cases
from .pipeline_file import PIPELINE_FILE, load_pipeline, pipeline_digest
from .sources.find import find_studies
from .studies import StudyProblem

__all__ = ["load_new_slices"]

_LEFT_OUT = "left_out.txt"


def load_new_slices(
    datalist: str | os.PathLike[str],
    folder: str | os.PathLike[str] = "",
    work_dir: str | os.PathLike[str] = "",
    section: str = "test",
    workers: int = 0,
) -> CaseList:
    """A section of a datalist, or all slices with enough brain of every study below a folder.

    New studies go through the pipeline beside the datalist (``pipeline.json``) and lie prepared below ``work_dir``,
    where a second run finds them. Their opaque ids are made with the datalist's ``identity.key``; the keys are ``new:``
    and the name of the case (and slice) or patient, so that none is taken for a case of the datalist. Tumour masks of
    new studies are not read. ``left_out.txt`` in ``work_dir`` says which studies cannot be used, and why.

    Args:
        datalist: the ``datalist.json`` of training.
        folder: of new studies, or a CSV of their files; empty for a section.
        work_dir: folder to prepare new studies in; must be given with ``folder``.
        section: which of the datalist's sections, where ``folder`` is empty.
        workers: processes; 0 for none but this one, which is soonest done for one patient.

    Returns:
        Items with ``image``, ``slice``, ``channel_mask``, ``sample_id``, ``group_id`` (the patient), ``case_id`` (the
        study) and, of a section, ``label``. Studies that cannot be used are in its ``broken``.

    Raises:
        ValueError: where there is no study, or none that can be used, or where new ones cannot be prepared as the
            datalist's were: those of an archive of finished slices have no pipeline.
    """
    if str(folder):  # a command line hands over a folder named 815 as a number
        items, broken = _new_slices(Path(str(datalist)), Path(str(folder)), Path(str(work_dir)), workers)
        told = f"{Path(str(work_dir)) / _LEFT_OUT} says why"
    else:
        items, broken = _section_slices(load_section(datalist, section))
        told = f"the first: {next(iter(broken.items()), 'none found')}"
    if broken:  # a study's folder may bear a name: it stands in the error at the end, not in the log
        logging.getLogger(__name__).error("%d of the studies are left out; the end of the run names them", len(broken))
    if not items:
        raise ValueError(f"none of the {len(broken)} studies can be used, {told}: mend or replace them")
    return CaseList(items, broken)


def _new_slices(
    datalist: Path, folder: Path, work_dir: Path, workers: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    if work_dir == Path(""):
        raise ValueError(f"{folder} is to be prepared, but work_dir is empty: name a folder for the prepared slices")
    pipeline, find = load_pipeline(datalist.parent)
    channels = load_channel_names(datalist)
    if channels != list(pipeline.sequences):
        raise ValueError(
            f"{datalist} has the channels {', '.join(channels)}, but the pipeline beside it gives "
            f"{', '.join(pipeline.sequences)}: prepare the data again"
        )
    if load_pipeline_digest(datalist) not in ("", pipeline_digest(pipeline, find)):
        raise ValueError(
            f"{datalist.parent / PIPELINE_FILE} is not the one that {datalist} was made with: prepare the data again"
        )
    identity = IdentityKey.load(datalist.parent)
    studies, problems = find_studies(folder, find)
    studies = [replace(study, tumour_mask=None) for study in studies]  # nobody asks for it, so it need not be sound
    cases, failed = cache_cases(studies, pipeline, work_dir, workers, progress=False)
    broken = _causes([*problems, *failed])
    atomic_write_text(work_dir / _LEFT_OUT, "".join(f"{where}: {cause}\n" for where, cause in broken.items()))
    return [item for case in cases for item in _items(case, identity)], broken


def _causes(problems: Sequence[StudyProblem]) -> dict[str, str]:
    causes: dict[str, list[str]] = {}
    for problem in problems:
        causes.setdefault(problem.where, []).append(problem.cause)
    return {where: "; ".join(told) for where, told in causes.items()}


def _items(case: CachedCase, identity: IdentityKey) -> list[dict[str, Any]]:
    study, record = case.study, case.record
    return [
        {
            "image": str(case.folder.absolute() / "image.npy"),
            "slice": number,
            "channel_mask": record["slice_channel_mask"][number],
            "sample_id": identity.identify(f"new:{study.case_key}/{number}"),
            "group_id": identity.identify(f"new:{study.patient_key}"),
            "case_id": identity.identify(f"case:new:{study.case_key}"),
        }
        for number in record["slices_kept"]
    ]


def _section_slices(items: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    causes = {image: _defect(Path(image)) for image in {item["image"] for item in items}}
    broken = {image: cause for image, cause in sorted(causes.items()) if cause}
    return [item for item in items if item["image"] not in broken], broken


def _defect(path: Path) -> str:
    """Why a prepared case cannot be read; a file that is shorter than its header says is noticed."""
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
