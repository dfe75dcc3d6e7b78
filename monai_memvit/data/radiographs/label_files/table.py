"""Reading a CSV by the names of its columns, also when it is compressed by gzip."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["CsvTable", "open_table", "parse_finding"]

_FINDING = {"1": 1, "0": 0, "-1": -1, "": -2, "nan": -2, "na": -2}


@dataclass(frozen=True)
class CsvTable:
    """The header of a CSV; its rows are read when they are asked for.

    Args:
        path: a ``.csv`` or ``.csv.gz``.
        columns: their names in order.
    """

    path: Path
    columns: tuple[str, ...]

    def rows(self, *columns: str) -> Iterator[tuple[str, list[str]]]:
        """Read some columns row by row.

        Args:
            *columns: names; a name that is empty gives empty cells.

        Yields:
            File and line, and the cells without blanks around them.

        Raises:
            ValueError: for a column that is not there, a row of another length, or a damaged file.
        """
        places = [self._place(name) for name in columns]
        try:
            with _open_text(self.path) as file:
                reader = csv.reader(file)
                next(reader)
                for cells in reader:
                    if cells:
                        yield self._row(reader.line_num, cells, places)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise _unreadable(self.path, error) from None

    def _row(self, line: int, cells: list[str], places: list[int | None]) -> tuple[str, list[str]]:
        where = f"{self.path.name}, line {line}"
        if len(cells) < len(self.columns) or any(cells[len(self.columns) :]):
            raise ValueError(f"{where}: {len(cells)} cells under {len(self.columns)} columns: correct the row")
        return where, ["" if place is None else cells[place].strip() for place in places]

    def _place(self, name: str) -> int | None:
        if not name:
            return None
        if name not in self.columns:
            raise ValueError(f"{self.path} has no column {name!r}; it has {', '.join(self.columns)}: name one of them")
        return self.columns.index(name)


def open_table(path: Path) -> CsvTable:
    """Read the header of a CSV.

    Args:
        path: a ``.csv`` or ``.csv.gz`` in UTF-8.

    Raises:
        ValueError: where it cannot be read, or names a column twice.
    """
    try:
        with _open_text(path) as file:
            columns = [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from None
    while columns and not columns[-1]:  # NIH's own file ends every line with a comma
        columns.pop()
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has the column {twice[0]!r} twice: rename one")
    return CsvTable(path, tuple(columns))


def _open_text(path: Path) -> IO[str]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", newline="", encoding="utf-8-sig")
    return open(path, newline="", encoding="utf-8-sig")


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} cannot be read as a table ({error}): save it as a CSV in UTF-8")


def parse_finding(text: str, where: str) -> int:
    """Return what a cell of a finding says.

    Args:
        text: ``1``, ``0``, ``-1`` (uncertain), also as ``1.0`` …, or blank (not mentioned).
        where: file and line, for the error message.

    Raises:
        ValueError: for anything else.
    """
    value = _FINDING.get(text.removesuffix(".0").casefold())
    if value is None:
        raise ValueError(f"{where}: {text!r} is no label: give 1, 0, -1 (uncertain) or nothing")
    return value
