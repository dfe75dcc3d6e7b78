"""What is looked for in a folder of MRI examinations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..studies import MASKS, SEQUENCES

__all__ = ["FindOptions"]


@dataclass(frozen=True)
class FindOptions:
    """How :func:`monai_memvit.data.mri.find_studies` recognises sequences, cases and patients.

    Args:
        sequences: names of the sequences to look for; a name other than t1, t2, flair, t1gd, apt needs a pattern.
        required: those without which a case is a problem.
        patterns: name of a sequence (or ``tumour_mask``, ``brain_mask``) -> regular expression, searched without regard
            to case in the description (DICOM: ``series 401: T2W_TRA``) or the path (NIfTI, relative to the source).
            What it matches is taken, nothing else is: no recognition, no score.
        patient_pattern: regular expression with one capture group that gives the patient, searched in the path of the
            case's folder relative to the source (BIDS: ``sub-x/ses-y``); by default PatientID, the BIDS subject, the
            ``BraTS-GLI-00001`` of ``BraTS-GLI-00001-000``, or the folder. A table names its patients itself.
        min_slices: a DICOM series of fewer is passed over.

    Raises:
        ValueError: naming the argument, its value and the remedy.
    """

    sequences: tuple[str, ...] = SEQUENCES
    required: tuple[str, ...] = ("t1gd",)
    patterns: Mapping[str, str] = field(default_factory=dict)
    patient_pattern: str | None = None
    min_slices: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "sequences", tuple(self.sequences))
        object.__setattr__(self, "required", tuple(self.required))
        self._check_sequences()
        for name, pattern in self.patterns.items():
            if name not in (*self.sequences, *MASKS):
                raise ValueError(f"patterns: {name!r} is no sequence: name one of {', '.join(self._names())}")
            _compiled(pattern, f"patterns[{name!r}]")
        if self.patient_pattern is not None and _compiled(self.patient_pattern, "patient_pattern").groups != 1:
            raise ValueError(f"patient_pattern {self.patient_pattern!r} needs exactly one capture group, (…)")
        if self.min_slices < 1:
            raise ValueError(f"min_slices={self.min_slices} must be at least 1")

    def _names(self) -> tuple[str, ...]:
        return (*self.sequences, *MASKS)

    def _check_sequences(self) -> None:
        if not self.sequences or len(set(self.sequences)) != len(self.sequences):
            raise ValueError(f"sequences={self.sequences} must be different names, at least one")
        for name in self.sequences:
            if name in MASKS or (name not in SEQUENCES and name not in self.patterns):
                known = ", ".join(SEQUENCES)
                raise ValueError(
                    f"sequences: {name!r} is not one of {known}: give patterns a regular expression for it"
                )
        if absent := [name for name in self.required if name not in self.sequences]:
            raise ValueError(f"required: {', '.join(absent)} is not among sequences={self.sequences}")

    def compiled_patterns(self) -> dict[str, re.Pattern[str]]:
        """Return the patterns, ready to search."""
        return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in self.patterns.items()}

    def patient_of(self, path: str, default: str) -> str:
        """Return the patient of a case.

        Args:
            path: of the case's folder relative to the source.
            default: where no pattern was given.

        Raises:
            ValueError: where the pattern finds no patient in the path.
        """
        if self.patient_pattern is None:
            return default
        match = re.search(self.patient_pattern, path)
        if match is None or not match[1]:
            raise ValueError(f"patient_pattern {self.patient_pattern!r} finds no patient in {path!r}: correct it")
        return match[1]


def _compiled(pattern: str, origin: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{origin}={pattern!r} is no regular expression: {error}") from None
