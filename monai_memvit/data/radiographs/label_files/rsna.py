"""RSNA Pneumonia Detection Challenge: one row per box, ``Target`` 1 where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from .film_labels import LabelFile, LabelledFilm
from .table import CsvTable, parse_finding

__all__ = ["RSNA_COLUMNS", "read_rsna"]

RSNA_COLUMNS = frozenset({"patientId", "x", "y", "width", "height", "Target"})


def read_rsna(tables: Sequence[CsvTable]) -> LabelFile:
    """Read which films of the RSNA challenge (Shih et al. 2019) show a lung opacity.

    Args:
        tables: with the columns ``patientId``, ``Target`` and those of a box; several rows may be of one film.

    Raises:
        ValueError: for a target that is neither 0 nor 1.
    """
    found: dict[str, int] = {}
    lines: dict[str, str] = {}
    for table in tables:
        for where, (film, text) in table.rows("patientId", "Target"):
            target = parse_finding(text, where)
            if target not in (0, 1):
                raise ValueError(f"{where}: Target is {text!r}: give 0 or 1")
            found[film] = max(found.get(film, 0), target)
            lines.setdefault(film, where)
    films = [LabelledFilm(film, (target,), film, None, "", lines[film]) for film, target in found.items()]
    note = (
        "patientId numbers films, not patients: the films are of NIH ChestX-ray14, where a patient has several, so one "
        "patient may stand in two sections; the list of duplicates shows only those that look alike"
    )
    return LabelFile("RSNA pneumonia", [table.path for table in tables], ["Lung Opacity"], films, [], [note])
