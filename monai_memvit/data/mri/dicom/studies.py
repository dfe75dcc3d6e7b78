"""From DICOM files at any depth to studies: one a StudyInstanceUID, its series by number and description."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..sources.candidates import Candidate, Choice, choose
from ..sources.find_options import FindOptions
from ..sources.patients import one_spelling
from ..studies import LeftOut, Study, StudyProblem
from .files import NO_PIXELS, DicomObject
from .series import series_candidates
from .tree import DicomTree

__all__ = ["dicom_candidates", "dicom_studies"]


def dicom_studies(
    tree: DicomTree, masks: Mapping[Path, Sequence[Candidate]], options: FindOptions
) -> tuple[list[Study], list[StudyProblem]]:
    """Make a study of every StudyInstanceUID.

    The case is ``PatientID/StudyInstanceUID``, the patient PatientID, or the study where that is empty.

    Args:
        tree: the DICOM files.
        masks: folder -> masks as NIfTI files in it; they belong to the one study near that folder.
        options: what to look for.

    Returns:
        Studies, and what is wrong with the others.
    """
    beside, homeless = _masks_of(tree, masks)
    problems = [*tree.problems, *homeless]
    studies = []
    for uid, members in tree.studies.items():
        causes = [*_patients(members), *_strangers(uid, tree), *_unreadable(members, tree), *_emptied(members)]
        study, wrong = _study(members, beside[uid], tree.relative(tree.roots[uid]), causes, options)
        problems.extend(wrong)
        studies.extend([study] if study else [])
    return studies, problems


def dicom_candidates(objects: Iterable[DicomObject], min_slices: int) -> tuple[list[Candidate], list[LeftOut]]:
    """Return the volumes of a study, and the objects that are passed over.

    Args:
        objects: of one study.
        min_slices: a volume of fewer slices is passed over.
    """
    by_series: dict[str, list[DicomObject]] = defaultdict(list)
    passed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for found in objects:
        if found.why_not:
            passed[found.label, found.why_not].append(found.path.name)
        else:
            by_series[found.series].append(found)
    candidates = [
        candidate
        for members in by_series.values()
        for candidate in series_candidates([s for m in members for s in m.slices], members[0].label, min_slices)
    ]
    left_out = [LeftOut(f"{label}: {_listed(names)}", why) for (label, why), names in passed.items()]
    return candidates, left_out


def _study(
    members: Sequence[DicomObject], masks: Sequence[Candidate], folder: str, causes: Sequence[str], options: FindOptions
) -> tuple[Study | None, list[StudyProblem]]:
    """The study of one StudyInstanceUID, or its problems."""
    patient, uid = members[0].patient, members[0].study
    case_key = f"{patient}/{uid}" if patient else uid
    candidates, passed = dicom_candidates(members, options.min_slices)
    choice = Choice(causes=list(causes)) if causes else choose([*candidates, *masks], options)
    try:
        patient_key = options.patient_of(folder, patient or uid)
    except ValueError as error:
        choice.causes.append(str(error))
    if choice.causes:
        return None, [StudyProblem(case_key, folder, cause) for cause in choice.causes]
    masks_found = (choice.mask("tumour_mask"), choice.mask("brain_mask"))
    left_out = (*choice.left_out, *passed)
    return Study(case_key, patient_key, choice.sequences, left_out, *masks_found), []


def _masks_of(
    tree: DicomTree, masks: Mapping[Path, Sequence[Candidate]]
) -> tuple[dict[str, list[Candidate]], list[StudyProblem]]:
    """The masks of every study, and folders of masks that several studies may claim."""
    found: dict[str, list[Candidate]] = {uid: [] for uid in tree.studies}
    problems = []
    for folder, members in masks.items():
        near = tree.near(folder)
        if len(near) == 1:
            found[near[0]].extend(members)
            continue
        where = tree.relative(folder)
        names = _listed([mask.files[0].name for mask in members])
        cause = f"the masks {names} may belong to {len(near)} DICOM studies: put each into the folder of its study"
        problems.append(StudyProblem(where, where, cause))
    return found, problems


def _patients(members: Sequence[DicomObject]) -> list[str]:
    """One study, several patients: the identifiers themselves are not repeated."""
    series = defaultdict(set)
    for found in members:
        series[one_spelling(found.patient)].add(found.label)
    if len(series) == 1:
        return []
    shown = "; ".join(", ".join(sorted(labels)) for labels in series.values())
    return [f"different patients in one study: {len(series)} PatientIDs ({shown}). Separate or correct them"]


def _strangers(uid: str, tree: DicomTree) -> list[str]:
    """Images of another patient inside the folder of this study; the source and a DICOMDIR medium may hold many."""
    root = tree.roots[uid]
    if root == tree.source or any((folder / "DICOMDIR").exists() for folder in (root, *root.parents)):
        return []
    inside = [tree.studies[other][0] for other, folder in tree.roots.items() if folder.is_relative_to(root)]
    patients = {one_spelling(found.patient) for found in inside}
    if len(patients) == 1:
        return []
    return [
        f"different patients in one study's folder: {len(patients)} PatientIDs. Separate them, or give this folder as "
        "the source where it is an export of several patients"
    ]


def _unreadable(members: Sequence[DicomObject], tree: DicomTree) -> list[str]:
    """An unreadable file beside the slices may be the first or last of them, which nothing else would show."""
    folders = {found.path.parent for found in members if found.slices}
    broken = [tree.source / problem.where for problem in tree.problems]
    names = [path.name for path in broken if path.parent in folders]
    return (
        [f"{_listed(names)} cannot be read and may be a slice of it: export it again, or move it away"] if names else []
    )


def _emptied(members: Sequence[DicomObject]) -> list[str]:
    """Images without pixels among those of a series: cut off in their headers, they may be its first or last."""
    whole = {found.series for found in members if found.slices}
    names = [found.path.name for found in members if found.why_not == NO_PIXELS and found.series in whole]
    return [f"{_listed(names)} has no pixels, but other images of its series have: export it again"] if names else []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
