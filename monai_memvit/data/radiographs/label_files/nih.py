"""NIH ChestX-ray14: ``Data_Entry_2017.csv``, and its lists of films for training and testing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from .film_labels import MISSING, LabelFile, LabelledFilm, LeftOutFilm, is_no_finding
from .table import CsvTable
from .views import one_view

__all__ = ["NIH_COLUMNS", "read_nih"]

NIH_COLUMNS = frozenset({"Image Index", "Finding Labels"})
_LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}
_FINDINGS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia"),
    *("Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax"),
)


def read_nih(tables: Sequence[CsvTable], files: Sequence[Path]) -> LabelFile:
    """Read the findings, patients, views and official splits of ChestX-ray14 (Wang et al. 2017).

    ``Finding Labels`` names the findings of a film, joined by ``|``; all others are not there. A blank cell, which the
    official file has not, says nothing of any. ``train_val_list.txt``
    and ``test_list.txt`` among the files give the official split; a film in neither is left out.

    Args:
        tables: with the columns ``Image Index`` and ``Finding Labels``.
        files: of the source, where the lists are looked for.
    """
    splits, lists = _splits(files)
    rows = [
        (key, patient, view, _names(findings), bool(findings), where)
        for table in tables
        for where, (key, findings, patient, view) in table.rows(
            "Image Index", "Finding Labels", _if_there(table, "Patient ID"), _if_there(table, "View Position")
        )
    ]
    others = {name for *_, names, _, _ in rows for name in names} - set(_FINDINGS)
    findings = [*_FINDINGS, *sorted(others)]
    films, problems = [], []
    for key, patient, view, names, told, where in rows:
        if splits and key not in splits:
            problems.append(LeftOutFilm(key, where, f"the film is in none of {', '.join(_LISTS)}: add it to one"))
            continue
        labels = tuple(int(name in names) if told else MISSING for name in findings)
        films.append(LabelledFilm(key, labels, patient, splits.get(key), one_view(view), where))
    return LabelFile("NIH ChestX-ray14", [*(t.path for t in tables), *lists], findings, films, problems)


def _if_there(table: CsvTable, column: str) -> str:
    return column if column in table.columns else ""


def _names(text: str) -> Collection[str]:
    return {name.strip() for name in text.split("|") if name.strip() and not is_no_finding(name)}


def _splits(files: Sequence[Path]) -> tuple[dict[str, str], list[Path]]:
    """Official split by name of the film; where one of the two lists is absent there is none."""
    lists = [path for path in files if path.name in _LISTS]
    if {path.name for path in lists} != set(_LISTS):
        return {}, []
    splits: dict[str, str] = {}
    for path in lists:
        split = _LISTS[path.name]
        for name in path.read_text(encoding="utf-8").split():
            if splits.setdefault(name, split) != split:
                raise ValueError(f"{path}: {name} is in {' and in '.join(_LISTS)}: correct the lists")
    return splits, lists
