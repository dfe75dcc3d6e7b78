"""What became of an archive of slices: counts, missing sequences, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...patches.report import PrepareReport

__all__ = ["SliceArchiveReport"]


@dataclass(frozen=True)
class SliceArchiveReport(PrepareReport):
    """The outcome of preparing an archive of slices.

    Args:
        missing: sequence -> number of patients without it.
        blank: sequence -> number of slices in which it was acquired and shows nothing.
    """

    missing: Mapping[str, int]
    blank: Mapping[str, int]

    def __str__(self) -> str:
        """Return a table for a terminal."""
        rows = [
            f"{name}: missing in {self.missing[name]} patient(s), blank in {self.blank[name]} slice(s)"
            for name in self.missing
        ]
        return "\n".join([super().__str__(), *rows])
