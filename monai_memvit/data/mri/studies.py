"""What a folder of MRI examinations is turned into: one study a case, its files by the name of the sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["MASKS", "SEQUENCES", "LeftOut", "SequenceSource", "Study", "StudyProblem"]

SEQUENCES = ("t1", "t2", "flair", "t1gd", "apt")
MASKS = ("tumour_mask", "brain_mask")


@dataclass(frozen=True)
class SequenceSource:
    """The files of one sequence, and why they are taken for it.

    Args:
        sequence: its name, for example ``flair``.
        kind: ``nifti`` (one file) or ``dicom`` (one file a slice in the order of the slices, or one multi-frame file).
        files: the files.
        description: what the scanner or the file calls it; patterns are searched in this text.
        score: how well it fits, in [0, 1].
        reason: in words that a person can check.
        frames: of an enhanced multi-frame file, those of this volume in the order of the slices, counted from 0; empty
            for all other files.
    """

    sequence: str
    kind: Literal["nifti", "dicom"]
    files: tuple[Path, ...] = field(repr=False)
    description: str
    score: float
    reason: str
    frames: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class LeftOut:
    """A series or file of a study that became none of its sequences.

    Args:
        what: the series' description or the file's path.
        why: the reason.
    """

    what: str
    why: str


@dataclass(frozen=True)
class Study:
    """One examination of one patient.

    Args:
        case_key: stable name of the case in its source.
        patient_key: stable name of the patient: cases that share it never stand in two sections of a data set.
        sequences: name of the sequence -> its files.
        left_out: everything else that was there.
        tumour_mask: NIfTI file of the tumour, non-zero inside, or None.
        brain_mask: NIfTI file of the brain, non-zero inside, or None.
    """

    case_key: str
    patient_key: str
    sequences: Mapping[str, SequenceSource]
    left_out: tuple[LeftOut, ...] = ()
    tumour_mask: Path | None = None
    brain_mask: Path | None = None


@dataclass(frozen=True)
class StudyProblem:
    """Why a case cannot be used as it is.

    Args:
        case_key: of the case, or the folder's path relative to the source where no case is known.
        where: folder, file or table row.
        cause: what is wrong and how to remedy it.
    """

    case_key: str
    where: str
    cause: str

    def __str__(self) -> str:
        """Return one line: where, and the cause."""
        return f"{self.where}: {self.cause}"
