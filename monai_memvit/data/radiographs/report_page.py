"""The report on a set of films for a person to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .report import RadiographReport, TwinFilms
from .shortcuts import FindingShortcuts

__all__ = ["report_page"]

_MOST = 200


def report_page(report: RadiographReport) -> str:
    """Return the report as Markdown.

    Args:
        report: of a preparation.
    """
    blocks = [
        f"# {report.name}: what was prepared",
        f"Labels: {report.label_kind} ({', '.join(report.label_files) or 'no file'}).",
        "## Look at this first\n\n" + _bullets(report.warnings()),
        "## Films\n\n" + _table(["", *report.counts], _size_rows(report)),
        *(_finding_blocks(report) if report.class_names else []),
        "## Films that show the same\n\n" + _twin_text(report.twins),
        "## Views\n\n" + _table(["", *report.views], _view_rows(report)),
        "## Devices and sizes\n\n" + _bullets(_counted(report.devices)) + "\n\n" + _bullets(_counted(report.sizes)),
        "## Left out\n\n" + _left_out(report),
    ]
    return "\n\n".join(blocks) + "\n"


def _finding_blocks(report: RadiographReport) -> list[str]:
    return [
        "## Findings\n\nFilms with the finding / without it / unknown, after the policy for labels.\n\n"
        + _table(["", *report.counts], _count_rows(report)),
        f"Films without any known label: {report.unlabelled}.",
        "What the label file says before the policy:\n\n" + _table(["", "uncertain", "missing"], _raw_rows(report)),
        "## Shortcuts\n\n" + _SHORTCUTS,
        _shortcut_table(report.shortcuts),
    ]


_SHORTCUTS = (
    "AUC of guesses that do not read the film; 0.5 is chance. Cues: a logistic regression on each, and on all, judged "
    "across patients in five parts. Pixels: a linear model of 32 x 32 pixels, fitted to training. A model that does "
    "not beat these may have learnt no more; a dash stands for fewer than 20 patients."
)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "Nothing."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |" for line in lines)


def _count_rows(report: RadiographReport) -> Iterator[list[str]]:
    for name in report.class_names:
        found = [counts[name] for counts in report.counts.values()]
        yield [name, *(f"{count['present']} / {count['absent']} / {count['unknown']}" for count in found)]


def _size_rows(report: RadiographReport) -> Iterator[list[str]]:
    yield ["films", *(str(report.films[section]) for section in report.counts)]
    yield ["patients", *(str(report.patients[section]) for section in report.counts)]


def _raw_rows(report: RadiographReport) -> Iterator[list[str]]:
    for name in report.class_names:
        yield [name, str(report.uncertain[name]), str(report.missing[name])]


def _view_rows(report: RadiographReport) -> Iterator[list[str]]:
    for view in sorted({view for counts in report.views.values() for view in counts}):
        yield [view or "unknown", *(str(counts.get(view, 0)) for counts in report.views.values())]


def _counted(counts: Mapping[str, int]) -> Iterator[str]:
    for name, count in list(counts.items())[:_MOST]:
        yield f"{name or 'unknown'}: {count}"


def _shortcut_table(shortcuts: Mapping[str, FindingShortcuts]) -> str:
    cues = list(dict.fromkeys(cue for found in shortcuts.values() for cue in found.cues))
    sections = list(dict.fromkeys(section for found in shortcuts.values() for section in found.pixels))
    rows = [
        [name, *(_auc(found.cues.get(cue)) for cue in cues), *(_auc(found.pixels.get(s)) for s in sections)]
        for name, found in shortcuts.items()
    ]
    return _table(["", *cues, *(f"pixels, {section}" for section in sections)], rows)


def _auc(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _twin_text(twins: Sequence[TwinFilms]) -> str:
    head = ["film", "film", "alike", "patient", "labels", "sections", "left out"]
    ordered = sorted(twins, key=lambda twin: (twin.same_patient, not twin.left_out))
    rows = [
        [
            twin.first,
            twin.second,
            "equal" if twin.exact else f"{twin.likeness:.3f}",
            "one" if twin.same_patient else "**two**",
            "the same" if twin.same_labels else "**others**",
            ", ".join(dict.fromkeys(twin.sections)),
            twin.left_out,
        ]
        for twin in ordered[:_MOST]
    ]
    more = f"\n\n… and {len(twins) - _MOST} more in report.json." if len(twins) > _MOST else ""
    return _table(head, rows) + more if rows else "None."


def _left_out(report: RadiographReport) -> str:
    views = [f"{count} films of view {view or 'unknown'}: not asked for" for view, count in report.other_views.items()]
    lines = [f"**{problem.film}** ({problem.where}): {problem.cause}" for problem in report.problems[:_MOST]]
    if len(report.problems) > _MOST:
        lines.append(f"… and {len(report.problems) - _MOST} more in report.json")
    return _bullets([*views, *lines])
