"""Choosing one candidate for each sequence, or saying why none can be chosen: there is no guessing between equals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..studies import MASKS, LeftOut, SequenceSource
from .find_options import FindOptions

__all__ = ["EQUAL_WITHIN", "Candidate", "Choice", "Match", "choose"]

# Two candidates whose scores differ by less are equal: none of the rules of recognition weighs so little.
EQUAL_WITHIN = 0.1


@dataclass(frozen=True)
class Match:
    """What a candidate is recognised as.

    Args:
        name: sequence or mask.
        score: in (0, 1].
        reason: in words.
    """

    name: str
    score: float
    reason: str


@dataclass(frozen=True)
class Candidate:
    """One volume that may become a sequence or a mask.

    Args:
        label: its description or path, in which patterns are searched.
        kind: ``nifti`` or ``dicom``.
        files: its files.
        match: what it is recognised as, if anything.
        why_not: why it is passed over unless a pattern names it; empty when it is not.
        faults: what makes it unusable, such as missing slices.
        frames: as in ``SequenceSource``.
    """

    label: str
    kind: Literal["nifti", "dicom"]
    files: tuple[Path, ...]
    match: Match | None
    why_not: str = ""
    faults: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()

    def source(self, match: Match) -> SequenceSource:
        """Return the candidate as the source of a sequence."""
        score = round(match.score, 3)
        return SequenceSource(match.name, self.kind, self.files, self.label, score, match.reason, self.frames)


@dataclass
class Choice:
    """The outcome for one study.

    Args:
        chosen: sequence or mask -> its source.
        left_out: every other candidate.
        causes: what is wrong with the study; empty when it can be used.
    """

    chosen: dict[str, SequenceSource] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)

    @property
    def sequences(self) -> dict[str, SequenceSource]:
        """What was chosen, without the masks."""
        return {name: source for name, source in self.chosen.items() if name not in MASKS}

    def mask(self, name: str) -> Path | None:
        """Return the file of a mask, or None."""
        return self.chosen[name].files[0] if name in self.chosen else None


def choose(candidates: Sequence[Candidate], options: FindOptions) -> Choice:
    """Choose at most one candidate for each sequence asked for and each mask.

    Args:
        candidates: all volumes of one study.
        options: sequences, required ones, patterns.

    Returns:
        What was chosen and left out, and what is wrong: two equal candidates, a fault of the chosen one, a required
        sequence that is absent.
    """
    choice = Choice()
    pools: dict[str, list[tuple[Match, Candidate]]] = {name: [] for name in (*options.sequences, *MASKS)}
    for candidate in candidates:
        match, why_not = _assign(candidate, options, choice)
        if match is None:
            choice.left_out.append(LeftOut(candidate.label, why_not))
        else:
            pools[match.name].append((match, candidate))
    settled = {name: _settle(name, pool, choice) for name, pool in pools.items() if pool}
    _check_required(settled, options, choice)
    return choice


def _assign(candidate: Candidate, options: FindOptions, choice: Choice) -> tuple[Match | None, str]:
    """What a candidate stands for, or why for nothing."""
    patterns = options.compiled_patterns()
    hits = [name for name, pattern in patterns.items() if pattern.search(candidate.label)]
    if candidate.kind == "dicom":  # masks are read from NIfTI files
        hits = [name for name in hits if name not in MASKS]
    if len(hits) > 1:
        choice.causes.append(f"{candidate.label!r} is matched by the patterns of {' and '.join(hits)}: narrow them")
    if hits:
        return Match(hits[0], 1.0, f"the pattern {patterns[hits[0]].pattern!r} names it"), ""
    if candidate.why_not or candidate.match is None:
        return None, candidate.why_not or "its name is that of no sequence"
    match = candidate.match
    if match.name in patterns:
        return None, f"it looks like {match.name}, but the pattern {patterns[match.name].pattern!r} names another"
    if match.name not in (*options.sequences, *MASKS):
        return None, f"it is {match.name}, which is not asked for ({match.reason})"
    return match, ""


def _settle(name: str, pool: list[tuple[Match, Candidate]], choice: Choice) -> bool:
    """Choose from the candidates of one name; False when it had to be refused."""
    pool.sort(key=lambda pair: (-pair[0].score, pair[1].label))
    best = pool[0][0].score
    equal = [pair for pair in pool if pair[0].score > best - EQUAL_WITHIN]
    sound = [pair for pair in equal if not pair[1].faults]
    if len(equal) > 1 and len(sound) != 1:
        choice.causes.append(_ambiguous(name, sound or equal))
        return False
    match, winner = (sound or equal)[0]
    if winner.faults:
        choice.causes.extend(f"{name}: {winner.label!r}: {fault}" for fault in winner.faults)
        return False
    choice.chosen[name] = winner.source(match)
    choice.left_out.extend(_runner_up(name, winner, match, other, theirs) for theirs, other in pool if other != winner)
    return True


def _runner_up(name: str, winner: Candidate, match: Match, other: Candidate, theirs: Match) -> LeftOut:
    if other.faults:
        return LeftOut(other.label, f"{other.faults[0]}; {name} is {winner.label!r}, which is whole")
    why = f"{name} is {winner.label!r} (score {match.score:.2f}), this one has {theirs.score:.2f}: {theirs.reason}"
    return LeftOut(other.label, why)


def _ambiguous(name: str, equal: list[tuple[Match, Candidate]]) -> str:
    shown = " and ".join(f"{candidate.label!r} (score {match.score:.2f})" for match, candidate in equal)
    first = equal[0][1].label
    example = _literal(first.split(":")[0] + ":" if equal[0][1].kind == "dicom" else Path(first).name)
    if sum(bool(re.search(example, candidate.label)) for _, candidate in equal) > 1:
        example = f"^{_literal(first)}$"
    return (
        f"{len(equal)} equal candidates for {name}: {shown}. Choose one by a pattern, for example "
        f'--map "{name}={example}", or move the others away'
    )


def _literal(text: str) -> str:
    return re.escape(text).replace("\\ ", " ").replace("\\-", "-")


def _check_required(settled: dict[str, bool], options: FindOptions, choice: Choice) -> None:
    """Name the required sequences for which there was no candidate at all."""
    absent = [name for name in options.required if name not in settled]
    found = ", ".join(f"{name} ({source.description})" for name, source in choice.chosen.items()) or "nothing"
    if absent:
        choice.causes.append(
            f"the required {' and '.join(absent)} is absent; found: {found}{_unused(choice)}. Add the file, name it by "
            "a pattern, or do not require it"
        )
    elif not choice.sequences and not choice.causes:
        choice.causes.append(f"no sequence is recognised{_unused(choice)}. Name the sequences by patterns")


def _unused(choice: Choice) -> str:
    shown = [f"{entry.what} ({entry.why})" for entry in choice.left_out[:5]]
    more = f" and {len(choice.left_out) - 5} more" if len(choice.left_out) > 5 else ""
    return f"; left out: {'; '.join(shown)}{more}" if shown else ""
