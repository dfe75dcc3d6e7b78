"""What became of one case, in words and numbers that a person can check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .case_cache import CASES, CachedCase
from .slices.moved_sequence import MovedSequence

__all__ = ["MriCaseReport", "report_case"]

_WORTH_A_NOTE = 0.02
_WITHIN_BRAIN = 0.8  # a tumour may grow out of what a mask takes for brain, but not by much


@dataclass(frozen=True)
class MriCaseReport:
    """One case that was prepared.

    Args:
        case_key: its name.
        folder: relative to the datalist.
        sequences: name -> files, description, score and reason.
        moved: name -> how it was registered.
        missing: sequences that are not there.
        left_out: what else was in the study, and why it became nothing.
        slices: of the reference.
        kept: those with enough brain.
        labelled: those that are in the datalist.
        ambiguous: those that show less tumour than a label takes.
        notes: what a person should look at.
    """

    case_key: str
    folder: str
    sequences: dict[str, dict[str, Any]]
    moved: dict[str, MovedSequence]
    missing: list[str]
    left_out: list[dict[str, str]]
    slices: int
    kept: int
    labelled: int
    ambiguous: int
    notes: list[str] = field(default_factory=list)


def report_case(case: CachedCase, labelled: int, ambiguous: int) -> MriCaseReport:
    """Put together what is known of a prepared case.

    Args:
        case: the case.
        labelled: how many of its slices are in the datalist.
        ambiguous: how many show too little tumour for a label.
    """
    record, study = case.record, case.study
    found = {name: MovedSequence.of(entry["registration"]) for name, entry in record["sequences"].items()}
    moved = {name: how for name, how in found.items() if how is not None}
    return MriCaseReport(
        case_key=study.case_key,
        folder=f"{CASES}/{case.folder.name}",
        sequences={
            name: {
                "files": [path.name for path in source.files],
                "description": source.description,
                "score": source.score,
                "reason": source.reason,
            }
            for name, source in study.sequences.items()
        },
        moved=moved,
        missing=[name for name in record["pipeline"]["sequences"] if name not in study.sequences],
        left_out=[{"what": what.what, "why": what.why} for what in study.left_out],
        slices=len(record["brain_area_mm2"]),
        kept=len(record["slices_kept"]),
        labelled=labelled,
        ambiguous=ambiguous,
        notes=_notes(record, moved),
    )


def _notes(record: Mapping[str, Any], moved: Mapping[str, MovedSequence]) -> list[str]:
    notes = [f"{name}: registration failed ({how.reason})" for name, how in moved.items() if not how.succeeded]
    notes += [
        f"{name}: its header does not say where it lies (no sform, no qform)" for name in record["places_assumed"]
    ]
    notes += [*_notes_on_slices(record), *_notes_on_tumour(record)]
    for what in ("brain", "tumour"):
        share = record[f"{what}_cut_share"]
        if share is not None and share > _WORTH_A_NOTE:
            notes.append(f"{share:.0%} of the {what} lies outside the pictures: give a larger size or spacing")
    return notes


def _notes_on_slices(record: Mapping[str, Any]) -> Iterator[str]:
    kept, unseen = record["slices_kept"], record["slices_unseen"]
    if unseen:
        numbers = ", ".join(map(str, unseen))
        yield f"no sequence shows the brain in slice{'s' * (len(unseen) > 1)} {numbers}: left out"
    for channel, name in enumerate(record["pipeline"]["sequences"]):
        shown = sum(record["slice_channel_mask"][number][channel] for number in kept)
        if record["channel_mask"][channel] and shown < len(kept):
            yield f"{name} shows the brain in {shown} of {len(kept)} slices and is absent from the others"


def _notes_on_tumour(record: Mapping[str, Any]) -> Iterator[str]:
    share = record["tumour_in_brain_share"]
    if share is not None and share < _WITHIN_BRAIN:
        yield f"only {share:.0%} of the tumour lies in the brain: look whether the mask fits the images"
    if record["tumour_area_mm2"] is not None and not any(record["tumour_area_mm2"]):
        yield "the tumour mask is empty: its slices are taken for normal"
