"""A page with one row a case, which leads to its picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .case_report import MriCaseReport
from .studies import StudyProblem

__all__ = ["quality_page"]


def quality_page(cases: Sequence[MriCaseReport], problems: Sequence[StudyProblem]) -> str:
    """An HTML page with one row per case that links to its picture; what was left out comes first.

    Args:
        cases: the prepared ones; their folders are relative to the page.
        problems: those that were left out.
    """
    names = list(dict.fromkeys(name for case in cases for name in case.sequences))
    head = "".join(f"<th>{escape(text)}</th>" for text in ("case", "slices", *names, "notes"))
    left_out = "".join(f"<li><b>{escape(p.case_key)}</b>: {escape(p.cause)}</li>" for p in problems)
    rows = "".join(_row(case, names) for case in cases)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Quality of the preparation</title><style>'
        "body{font:14px sans-serif;margin:2em}td,th{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:left}"
        ".flag{background:#fdd}</style></head><body>\n<h1>Quality of the preparation</h1>\n"
        f"<p>{len(cases)} cases; {len(problems)} left out.</p><ul>{left_out}</ul>\n"
        f"<table><tr>{head}</tr>\n{rows}</table></body></html>\n"
    )


def _row(case: MriCaseReport, names: Sequence[str]) -> str:
    link = f'<a href="{escape(case.folder)}/quality.png">{escape(case.case_key)}</a>'
    cells = [f"<td>{link}</td><td>{case.kept} of {case.slices}</td>"]
    for name in names:
        moved = case.moved.get(name)
        flag = ' class="flag"' if moved is not None and not moved.succeeded else ""
        present = str(moved) if moved is not None else "yes" if name in case.sequences else "absent"
        cells.append(f"<td{flag}>{escape(present)}</td>")
    cells.append(f"<td>{escape('; '.join(case.notes))}</td>")
    return f"<tr>{''.join(cells)}</tr>\n"
