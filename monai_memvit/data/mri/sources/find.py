"""Finding the examinations in a folder of scanner files, a BIDS tree, folders of NIfTI files, or a table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..dicom.files import is_dicom
from ..dicom.studies import dicom_studies
from ..dicom.tree import DicomTree
from ..studies import Study, StudyProblem
from .candidates import Candidate
from .file_names import is_nifti
from .find_options import FindOptions
from .nifti_cases import NiftiCase, group_nifti, nifti_studies
from .patients import unite_patients
from .study_table import read_study_table
from .visible_files import visible_files

__all__ = ["FindOptions", "find_studies"]

_COPY = (
    "these NIfTI images lie with a DICOM study, whose conversion they may be: one patient under two names would stand "
    "on both sides of a split. Move the NIfTI images or the DICOM files elsewhere"
)


def find_studies(
    source: str | os.PathLike[str], options: FindOptions | None = None
) -> tuple[list[Study], list[StudyProblem]]:
    """Find all cases, and which of their files is which sequence.

    Layouts may be mixed in one tree: DICOM files at any depth, BIDS subjects, and folders of NIfTI files, one a case.
    Masks as NIfTI files inside the folder of a DICOM study belong to it; images there are a problem, being the same
    patient's. Hidden files and folders are passed over, links to folders are followed.

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
    return sorted(unite_patients(studies), key=lambda study: study.case_key), [*problems, *twice]


def _search(source: Path, options: FindOptions) -> tuple[list[Study], list[StudyProblem]]:
    files = visible_files(source)
    images = [path for path in files if is_nifti(path.name)]
    dicom = [path for path in files if not is_nifti(path.name) and is_dicom(path)]
    if not images and not dicom:
        raise ValueError(f"{source} holds neither DICOM nor NIfTI files: give the folder of the examinations")
    tree = DicomTree(dicom, source)
    alone, masks, copies = _apart(group_nifti(images, source), tree)
    from_dicom = dicom_studies(tree, masks, options)
    from_nifti = nifti_studies(alone, options)
    return [*from_dicom[0], *from_nifti[0]], [*from_dicom[1], *from_nifti[1], *copies]


def _apart(
    cases: Mapping[str, NiftiCase], tree: DicomTree
) -> tuple[dict[str, NiftiCase], dict[Path, list[Candidate]], list[StudyProblem]]:
    """NIfTI cases of their own, the masks of DICOM studies by folder, and images that lie with a DICOM study."""
    alone: dict[str, NiftiCase] = {}
    masks: dict[Path, list[Candidate]] = {}
    copies: list[StudyProblem] = []
    for key, case in cases.items():
        folders = {candidate.files[0].parent for candidate in case.candidates}
        if not any(tree.near(folder) for folder in folders):
            alone[key] = case
        elif case.is_only_masks():
            masks[min(folders)] = case.candidates
        else:
            copies.append(StudyProblem(key, key, _COPY))
    return alone, masks, copies


def _without_doubles(studies: Sequence[Study]) -> tuple[list[Study], list[StudyProblem]]:
    counts = Counter(study.case_key for study in studies)
    twice = [
        StudyProblem(key, key, f"{count} cases have this key: rename their folders, or search them apart")
        for key, count in counts.items()
        if count > 1
    ]
    return [study for study in studies if counts[study.case_key] == 1], twice
