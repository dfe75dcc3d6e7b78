"""Which class and patient each slide has, from a table."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..patches.source import split_name
from .find_slides import SlideSource

__all__ = ["LabelledSlide", "SlideLabels", "read_slide_labels"]


@dataclass(frozen=True)
class LabelledSlide:
    """A line of the table.

    Args:
        slide: as the table calls it.
        patient: the slide's own name where the table has no patients.
        label: class index.
        split: ``train``, ``val`` or ``test``; None without a column.
        line: of the table.
    """

    slide: str
    patient: str
    label: int
    split: str | None
    line: int


@dataclass(frozen=True)
class SlideLabels:
    """What a table says.

    Args:
        path: of the CSV.
        class_names: in label order.
        rows: slide as the table calls it -> its line.
    """

    path: Path
    class_names: list[str]
    rows: dict[str, LabelledSlide]

    def match(self, slides: Sequence[SlideSource]) -> tuple[dict[str, LabelledSlide], list[str]]:
        """Find the line of each slide.

        Args:
            slides: that were found.

        Returns:
            Key of a slide -> its line, and the names in the table that are no slide's.

        Raises:
            ValueError: for a name that fits several slides, or a slide that several names fit.
        """
        matched: dict[str, LabelledSlide] = {}
        absent = []
        for name, row in self.rows.items():
            where = f"{self.path}, line {row.line}"
            fitting = [slide for slide in slides if _composed(name) in map(_composed, slide.names)]
            exact = [slide for slide in fitting if _composed(slide.key) == _composed(name)]
            if len(exact or fitting) > 1:
                keys = ", ".join(slide.key for slide in fitting[:3])
                raise ValueError(f"{where}: slide {name!r} fits {len(fitting)} slides ({keys}): give its path")
            if not fitting:
                absent.append(name)
                continue
            key = (exact or fitting)[0].key
            if key in matched:
                raise ValueError(f"{where}: slide {key!r} is also in line {matched[key].line}: keep one")
            matched[key] = row
        return matched, absent


def read_slide_labels(path: Path, class_names: Sequence[str] | None = None) -> SlideLabels:
    """Read the columns ``slide`` and ``label``, and ``patient`` and ``split`` where they are there.

    ``slide`` is the path of a slide in the source, the name of its file, or that without the suffix. ``label`` is the
    name of a class.

    Args:
        path: the CSV, with a header line.
        class_names: in label order; by default the labels in alphabetical order.

    Raises:
        ValueError: naming the line: for a missing column, an empty field, an unknown class or split, a slide twice.
    """
    rows = list(_rows(path))
    columns = set(rows[0][1]) if rows else set()
    if not {"slide", "label"} <= columns:
        found = ", ".join(sorted(columns)) or "none"
        raise ValueError(f"{path} has the columns {found}: give slide and label, and perhaps patient and split")
    names = list(class_names or sorted({row["label"] for _, row in rows}))
    if len(set(names)) != len(names):
        raise ValueError(f"class names {', '.join(names)} repeat: give distinct names")
    table = SlideLabels(path, names, {})
    for line, row in rows:
        entry = _entry(row, names, line, f"{path}, line {line}")
        if entry.slide in table.rows:
            raise ValueError(f"{path}, line {line}: slide {entry.slide!r} stands there twice: keep one")
        table.rows[entry.slide] = entry
    return table


def _composed(name: str) -> str:
    """``ö`` as one character: macOS writes names of files with two, where a table has one."""
    return unicodedata.normalize("NFC", name)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            for row in reader:
                yield reader.line_num, {str(k).strip(): (v or "").strip() for k, v in row.items() if k is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a table ({error}): save it as a CSV in UTF-8") from None


def _entry(row: dict[str, str], names: Sequence[str], line: int, where: str) -> LabelledSlide:
    for column in ("slide", "label", *(name for name in ("patient", "split") if name in row)):
        if not row[column]:
            raise ValueError(f"{where}: the column {column!r} is empty: fill it")
    if row["label"] not in names:
        raise ValueError(f"{where}: label {row['label']!r} is none of the classes {', '.join(names)}: correct it")
    split = split_name(row["split"], where) if "split" in row else None
    return LabelledSlide(row["slide"], row.get("patient", row["slide"]), list(names).index(row["label"]), split, line)
