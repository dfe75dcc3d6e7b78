"""What became of a folder of studies: which series became what, what was left out, and how the classes lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .case_report import MriCaseReport
from .studies import StudyProblem

__all__ = ["MriReport", "position_shares"]

_THIRDS = ("first", "middle", "last")


@dataclass(frozen=True)
class MriReport:
    """The outcome of preparing a source; ``report.json`` and ``report.md`` beside the datalist hold the same.

    Args:
        datalist: the file that was written.
        name: name of the data set.
        class_names: names of the classes in label order.
        channel_names: the sequences, in the order of the channels.
        fingerprint: digest of the content.
        counts: slices per section and class name.
        groups: patients per section.
        positions: share of every class among the first, middle and last third of the labelled slices of their case:
            what a classifier could guess from the height in the head alone.
        cases: that were prepared.
        problems: cases, labels and files that were left out, and why.
    """

    datalist: Path
    name: str
    class_names: list[str]
    channel_names: list[str]
    fingerprint: str
    counts: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, int]
    positions: Mapping[str, Mapping[str, float]]
    cases: list[MriCaseReport]
    problems: list[StudyProblem]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, without the path of the datalist."""
        content = asdict(self)
        del content["datalist"]
        return content

    def __str__(self) -> str:
        """Return a table of slices per section and class for a terminal."""
        lines = [*self._balance(), f"cases: {len(self.cases)} prepared, {len(self.problems)} problems"]
        ambiguous = sum(case.ambiguous for case in self.cases)
        lines.append(f"slices left out: {ambiguous} with too little tumour to call")
        return "\n".join([*lines, f"datalist: {self.datalist}", f"report: {self.datalist.parent / 'report.md'}"])

    def _balance(self) -> Iterator[str]:
        width = max(len(name) for name in [*self.class_names, "patients"])
        yield " " * width + "".join(f"{section:>12}" for section in self.counts)
        for name in self.class_names:
            yield f"{name:<{width}}" + "".join(f"{self.counts[section][name]:>12}" for section in self.counts)
        yield f"{'patients':<{width}}" + "".join(f"{self.groups[section]:>12}" for section in self.counts)

    def as_markdown(self) -> str:
        """Return the report for a person to read."""
        blocks = [
            f"# {self.name}: what was prepared",
            f"Channels: {', '.join(self.channel_names)}. Pictures of every case: [quality.html](quality.html).",
            "## Left out\n\n"
            + ("\n".join(f"- **{p.case_key}** ({p.where}): {p.cause}" for p in self.problems) or "Nothing."),
            "## Slices\n\n" + "\n".join(_table(["", *self.counts], self._balance_rows())),
            "## Where in the head\n\nShare of each class by the position of a slice among the labelled ones of its "
            "case. A classifier could guess this much without looking.\n\n"
            + "\n".join(_table(["third", *self.class_names], self._position_rows())),
            "## Cases",
            *(_describe(case) for case in self.cases),
        ]
        return "\n\n".join(blocks) + "\n"

    def _balance_rows(self) -> Iterator[list[str]]:
        for name in self.class_names:
            yield [name, *(str(counts[name]) for counts in self.counts.values())]
        yield ["patients", *(str(self.groups[section]) for section in self.counts)]

    def _position_rows(self) -> Iterator[list[str]]:
        for third, shares in self.positions.items():
            yield [third, *(f"{shares[name]:.2f}" for name in self.class_names)]


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '¦') for cell in row)} |"


def _describe(case: MriCaseReport) -> str:
    kept = f"{case.slices} slices, {case.kept} with enough brain, {case.labelled} labelled, {case.ambiguous} ambiguous"
    lines = [f"### {case.case_key}\n", f"{kept}; [picture]({case.folder}/quality.png).\n"]
    lines += _table(["channel", "series", "why", "registration"], _sequence_rows(case))
    lines += ["", *(f"- missing: {name}" for name in case.missing), *(f"- note: {note}" for note in case.notes)]
    lines += [f"- left out: {entry['what']}: {entry['why']}" for entry in case.left_out]
    return "\n".join(lines).rstrip()


def _sequence_rows(case: MriCaseReport) -> Iterator[list[str]]:
    for name, found in case.sequences.items():
        first, *rest = found["files"]
        series = f"{found['description']} ({first}{f' and {len(rest)} more' if rest else ''})"
        moved = str(case.moved[name]) if name in case.moved else "the reference, or not registered"
        yield [name, series, f"{found['reason']} ({found['score']:.2f})", moved]


def position_shares(places: Sequence[tuple[float, int]], class_names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Share of every class in each third of the head.

    Args:
        places: per slice where it lies, from 0 (first) to 1 (last), and its class.
        class_names: in label order.

    Returns:
        ``first``, ``middle`` and ``last`` -> class name -> share; a third without slices is left out.
    """
    shares = {}
    for number, third in enumerate(_THIRDS):
        labels = [label for place, label in places if min(int(place * 3), 2) == number]
        if labels:
            shares[third] = {name: labels.count(label) / len(labels) for label, name in enumerate(class_names)}
    return shares
