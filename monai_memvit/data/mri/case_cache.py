"""Prepared cases on disk: made once for given files and a given pipeline, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..fingerprint import array_digest
from ..workers import run_each
from .case_folder import new_folder, remove_unfinished
from .slices.pipeline import MriPipeline
from .studies import Study, StudyProblem

__all__ = ["CASES", "CachedCase", "cache_cases", "study_digest"]

CASES = "cases"
_PRELOADED = (
    "torch",
    "monai.transforms",
    "SimpleITK",
    "nibabel",
    "matplotlib.backends.backend_agg",
    "monai_memvit.data.mri.slices.preprocess",
    "monai_memvit.data.mri.quality",
)
_FILES = ("image.npy", "brain.npy", "quality.png", "record.json")


@dataclass(frozen=True)
class CachedCase:
    """A prepared case.

    Args:
        study: it was made of.
        folder: of ``image.npy`` (S, C, H, W) float16, ``brain.npy`` and where there is a tumour mask ``tumour.npy``
            (S, H, W) bool, ``record.json`` and ``quality.png``.
        record: what ``record.json`` holds.
    """

    study: Study
    folder: Path
    record: dict[str, Any]


def study_digest(study: Study) -> str:
    """Digest what the files of a study hold and what they are taken for; names and places do not count.

    Args:
        study: its files are read.

    Returns:
        32 hexadecimal digits.

    Raises:
        OSError: for a file that cannot be read.
    """
    return _joined(_contents(study))


def _contents(study: Study) -> dict[str, Any]:
    """What the files of every sequence and mask hold."""
    masks = {"tumour_mask": study.tumour_mask, "brain_mask": study.brain_mask}
    sequences = {
        name: [source.kind, [_file_digest(path) for path in source.files], list(source.frames)]
        for name, source in study.sequences.items()
    }
    return sequences | {name: _file_digest(mask) for name, mask in masks.items() if mask is not None}


def _joined(contents: Any) -> str:
    return blake2b(json.dumps(contents, sort_keys=True).encode("utf-8"), digest_size=16).hexdigest()


def _file_digest(path: Path) -> str:
    digest = blake2b(digest_size=32)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_cases(
    studies: Sequence[Study], pipeline: MriPipeline, out: Path, workers: int | None = None, progress: bool = True
) -> tuple[list[CachedCase], list[StudyProblem]]:
    """Prepare every case that is not there yet, in ``out/cases/<digest of files and pipeline>``.

    It can be killed at any time: what was finished is kept, the rest is done by the next call, with the same bytes.

    Args:
        studies: the cases.
        pipeline: what is done to them.
        out: folder; ``cases`` is made in it.
        workers: processes of one thread each; by default one per core, 0 for none but this one. The result does not
            depend on their number.
        progress: whether to show bars on stderr, one while files are read and one while cases are prepared.

    Returns:
        The prepared cases and why others are not, both in the order of ``studies``. Of two cases that hold the same
        files, or that have the same reference but are of two patients, only the first is prepared: the second would be
        the same patient under another name.
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 0:
        raise ValueError(f"workers is {workers}: give 0 or more")
    cases = out / CASES
    cases.mkdir(parents=True, exist_ok=True)
    remove_unfinished(cases)
    causes: dict[int, str] = {}
    contents = _read_contents(studies, causes, workers, progress)
    _refuse_twins(studies, contents, causes)
    _refuse_strangers(studies, contents, pipeline.reference, causes)
    folders = {i: cases / _join(_joined(held), pipeline) for i, held in contents.items() if i not in causes}
    absent = [i for i, folder in folders.items() if not _is_whole(folder, studies[i])]
    for i in absent:
        shutil.rmtree(folders[i], ignore_errors=True)  # somebody took a file out of it
    with tqdm(
        total=len(folders), initial=len(folders) - len(absent), desc="prepare cases", disable=not progress
    ) as bar:
        tasks = [(studies[i], folders[i]) for i in absent]
        for done in run_each(partial(_prepare_case, pipeline), tasks, workers, _PRELOADED) if tasks else ():
            if done.cause:
                causes[absent[done.position]] = done.cause
            bar.update()
    return _outcome(studies, folders, causes)


def _read_contents(
    studies: Sequence[Study], causes: dict[int, str], workers: int, progress: bool
) -> dict[int, dict[str, Any]]:
    def read(study: Study) -> dict[str, Any] | OSError:
        try:
            return _contents(study)
        except OSError as error:
            return error

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        results = tqdm(pool.map(read, studies), total=len(studies), desc="read files", disable=not progress)
        found = dict(enumerate(results))
    causes.update(
        {i: f"{result}: make the file readable" for i, result in found.items() if isinstance(result, OSError)}
    )
    return {i: result for i, result in found.items() if isinstance(result, dict)}


def _refuse_twins(studies: Sequence[Study], contents: dict[int, dict[str, Any]], causes: dict[int, str]) -> None:
    first: dict[str, int] = {}
    for i, held in contents.items():
        twin = first.setdefault(_joined(held), i)
        if twin != i:
            key = studies[twin].case_key
            causes[i] = f"its files are those of case {key!r}, under another name: remove one of the two"


def _refuse_strangers(
    studies: Sequence[Study], contents: dict[int, dict[str, Any]], reference: str, causes: dict[int, str]
) -> None:
    """One image under two patients: they would stand on both sides of a split."""
    first: dict[str, int] = {}
    for i, held in contents.items():
        if i in causes or reference not in held:
            continue
        other = studies[first.setdefault(_joined(held[reference]), i)]
        if other.patient_key != studies[i].patient_key:
            causes[i] = (
                f"its {reference} is that of case {other.case_key!r}, which is of another patient: remove one of the "
                "two, or give both the same patient"
            )


def _join(digest: str, pipeline: MriPipeline) -> str:
    return blake2b(f"{digest}{pipeline.digest()}".encode("ascii"), digest_size=16).hexdigest()


def _is_whole(folder: Path, study: Study) -> bool:
    names = _FILES if study.tumour_mask is None else (*_FILES, "tumour.npy")
    return all((folder / name).is_file() for name in names)


def _prepare_case(pipeline: MriPipeline, task: tuple[Study, Path]) -> None:
    """In a worker's process: prepare a case and write its folder."""
    from .quality import quality_picture
    from .slices.preprocess import preprocess_study

    study, target = task
    case = preprocess_study(study, pipeline)
    record = case.record | {"image_digest": array_digest(case.image)}
    with new_folder(target) as folder:
        np.save(folder / "image.npy", case.image)
        np.save(folder / "brain.npy", case.brain)
        if case.tumour is not None:
            np.save(folder / "tumour.npy", case.tumour)
        quality_picture(case).savefig(folder / "quality.png", dpi=110, metadata={"Software": None})
        (folder / "record.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _outcome(
    studies: Sequence[Study], folders: dict[int, Path], causes: dict[int, str]
) -> tuple[list[CachedCase], list[StudyProblem]]:
    done, problems = [], []
    for i, study in enumerate(studies):
        if i in causes:
            problems.append(StudyProblem(study.case_key, study.case_key, causes[i]))
        else:
            record = json.loads((folders[i] / "record.json").read_text(encoding="utf-8"))
            done.append(CachedCase(study, folders[i], record))
    return done, problems
