"""From NIfTI files to studies: a BIDS subject and session, or a folder, is one case."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..studies import MASKS, Study, StudyProblem
from .candidates import Candidate, Match, choose
from .file_names import match_bids_name, match_file_name
from .find_options import FindOptions

__all__ = ["NiftiCase", "group_nifti", "nifti_studies"]

_BRATS = re.compile(r"(BraTS-[A-Za-z]+-\d{5})-\d{3}")


@dataclass
class NiftiCase:
    """The files of one case.

    Args:
        key: path of its folder relative to the source; ``sub-x/ses-y`` in a BIDS tree.
        patient: by default: the BIDS subject, the patient part of a BraTS name, or the folder.
        candidates: its files.
    """

    key: str
    patient: str
    candidates: list[Candidate] = field(default_factory=list)

    def is_only_masks(self) -> bool:
        """Whether nothing here could be a sequence: masks beside a DICOM study, or of another tree."""
        return all(entry.match is not None and entry.match.name in MASKS for entry in self.candidates)


def group_nifti(files: Sequence[Path], source: Path) -> dict[str, NiftiCase]:
    """Group NIfTI files to cases.

    Files in a ``derivatives`` tree of BIDS give masks only.

    Args:
        files: NIfTI files below ``source``.
        source: the folder that was searched.
    """
    cases: dict[str, NiftiCase] = {}
    for path in files:
        relative = PurePosixPath(path.relative_to(source).as_posix())
        bids = _bids_place(relative)
        key, patient = bids or _folder_place(relative, source)
        entry = cases.setdefault(key, NiftiCase(key, patient))
        entry.candidates.append(_bids_candidate(path, relative) if bids else _plain_candidate(path, relative))
    return cases


def _bids_place(relative: PurePosixPath) -> tuple[str, str] | None:
    """Case and patient of a file in a BIDS tree; None for others."""
    parts = list(relative.parts[:-1])
    at = next((i for i, part in enumerate(parts) if re.fullmatch(r"sub-[A-Za-z0-9]+", part)), None)
    if at is None or not relative.name.startswith(parts[at] + "_"):
        return None
    root = parts[: parts.index("derivatives")] if "derivatives" in parts[:at] else parts[:at]
    patient = "/".join([*root, parts[at]])
    session = [part for part in parts[at + 1 : at + 2] if part.startswith("ses-")]
    return "/".join([patient, *session]), patient


def _folder_place(relative: PurePosixPath, source: Path) -> tuple[str, str]:
    key = relative.parent.as_posix() if relative.parent.parts else source.name
    brats = _BRATS.fullmatch(PurePosixPath(key).name)
    return key, brats[1] if brats else key


def _bids_candidate(path: Path, relative: PurePosixPath) -> Candidate:
    match = match_bids_name(relative.name)
    why_not = "" if match else "its BIDS suffix and entities name none of the sequences"
    if "derivatives" in relative.parts and (match is None or match.name not in MASKS):
        why_not = "a derivative, not what was scanned"
    return Candidate(str(relative), "nifti", (path,), match, why_not)


def _plain_candidate(path: Path, relative: PurePosixPath) -> Candidate:
    match: Match | None = match_file_name(relative.name, relative.parent.name)
    why_not = "" if match else "its name says no sequence, or several: rename it, or name it by a pattern"
    return Candidate(str(relative), "nifti", (path,), match, why_not)


def nifti_studies(cases: Mapping[str, NiftiCase], options: FindOptions) -> tuple[list[Study], list[StudyProblem]]:
    """Choose the sequences of every case.

    Args:
        cases: of :func:`group_nifti`.
        options: what to look for.

    Returns:
        Studies, and what is wrong with the others.
    """
    studies: list[Study] = []
    problems: list[StudyProblem] = []
    for case in cases.values():
        choice = choose(case.candidates, options)
        try:
            patient = options.patient_of(case.key, case.patient)
        except ValueError as error:
            choice.causes.append(str(error))
        if choice.causes:
            problems.extend(StudyProblem(case.key, case.key, cause) for cause in choice.causes)
            continue
        masks = (choice.mask("tumour_mask"), choice.mask("brain_mask"))
        studies.append(Study(case.key, patient, choice.sequences, tuple(choice.left_out), *masks))
    return studies, problems
