"""Finding the examinations in a folder of scanner files, a BIDS tree, folders of NIfTI files, or a table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..dicom.files import is_dicom
from ..dicom.studies import dicom_studies
from ..studies import Study, StudyProblem
from .file_names import is_nifti
from .find_options import FindOptions
from .nifti_cases import NiftiCase, group_nifti, nifti_studies
from .study_table import read_study_table

__all__ = ["FindOptions", "find_studies"]


def find_studies(
    source: str | os.PathLike[str], options: FindOptions | None = None
) -> tuple[list[Study], list[StudyProblem]]:
    """Find all cases, and which of their files is which sequence.

    Layouts may be mixed in one tree: DICOM files at any depth, BIDS subjects, and folders of NIfTI files, one a case.
    Masks as NIfTI files inside the folder of a DICOM study belong to it. Hidden files and folders are passed over.

    Args:
        source: the folder, or a CSV table (see :func:`monai_memvit.data.mri.read_study_table`).
        options: what to look for; by default five sequences, of which t1gd is required.

    Returns:
        The studies in the order of their keys, and what is wrong with other cases; a case of the second is never in the
        first.

    Raises:
        ValueError: where ``source`` does not exist, holds nothing to read, or is a table with wrong columns.
    """
    options, source = options or FindOptions(), Path(source).absolute()
    if source.is_file() and source.suffix.lower() == ".csv":
        studies, problems = read_study_table(source, options)
    elif source.is_dir():
        studies, problems = _search(source.resolve(), options)
    else:
        raise ValueError(f"{source} is neither a folder nor a CSV table: give the folder of the examinations")
    studies, twice = _without_doubles(studies)
    return sorted(studies, key=lambda study: study.case_key), [*problems, *twice]


def _search(source: Path, options: FindOptions) -> tuple[list[Study], list[StudyProblem]]:
    files = _files(source)
    images = [path for path in files if is_nifti(path.name)]
    dicom = [path for path in files if not is_nifti(path.name) and is_dicom(path)]
    if not images and not dicom:
        raise ValueError(f"{source} holds neither DICOM nor NIfTI files: give the folder of the examinations")
    cases = group_nifti(images, source)
    beside = _beside_dicom(cases, dicom) if dicom else {}
    masks = {case.candidates[0].files[0].parent: case.candidates for case in beside.values()}
    from_dicom = dicom_studies(dicom, masks, source, options)
    from_nifti = nifti_studies({key: case for key, case in cases.items() if key not in beside}, options)
    return [*from_dicom[0], *from_nifti[0]], [*from_dicom[1], *from_nifti[1]]


def _beside_dicom(cases: dict[str, NiftiCase], dicom: Sequence[Path]) -> dict[str, NiftiCase]:
    """Cases of nothing but masks whose folder holds DICOM files too, at any depth."""
    folders = {parent for path in dicom for parent in path.parents}
    return {
        key: case
        for key, case in cases.items()
        if case.is_only_masks() and case.candidates[0].files[0].parent in folders
    }


def _files(source: Path) -> list[Path]:
    """All visible files, in the order of their paths."""
    found: list[Path] = []
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        found.extend(Path(folder, name) for name in sorted(names) if not name.startswith("."))
    return found


def _without_doubles(studies: Sequence[Study]) -> tuple[list[Study], list[StudyProblem]]:
    counts = Counter(study.case_key for study in studies)
    twice = [
        StudyProblem(key, key, f"{count} cases have this key: rename their folders, or search them apart")
        for key, count in counts.items()
        if count > 1
    ]
    return [study for study in studies if counts[study.case_key] == 1], twice
