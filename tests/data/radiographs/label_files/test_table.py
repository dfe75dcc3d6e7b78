"""Tables are read by the names of their columns."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_memvit.data.radiographs.label_files.table import CsvTable, open_table, parse_finding

Write = Callable[..., CsvTable]


def test_columns_are_read_by_name(write: Write) -> None:
    table = write("\ufeffa, b ,c", '1,"x, y",3', "", "4, 5 ,6")
    assert table.columns == ("a", "b", "c")
    assert list(table.rows("c", "", "b")) == [
        ("labels.csv, line 2", ["3", "", "x, y"]),
        ("labels.csv, line 4", ["6", "", "5"]),
    ]


def test_a_compressed_table_reads_alike(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n", mtime=0))
    assert list(open_table(path).rows("b")) == [("labels.csv.gz, line 2", ["2"])]


def test_a_comma_at_the_end_of_every_line_is_no_column(write: Write) -> None:
    assert list(write("a,b,", "1,2,").rows("b")) == [("labels.csv, line 2", ["2"])]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("a,b,a", "1,2,3"), "has the column 'a' twice"),
        (("a,b", "1"), "line 2: 1 cells under 2 columns"),
        (("a,b", "1,2,3"), "line 2: 3 cells under 2 columns"),
    ],
)
def test_rows_that_do_not_fit_are_named(write: Write, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(write(*lines).rows("b"))


def test_an_unknown_column_is_named_with_those_there(write: Write) -> None:
    with pytest.raises(ValueError, match="no column 'c'; it has a, b"):
        list(write("a,b", "1,2").rows("c"))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", gzip.compress(b"a,b\n" * 1000, mtime=0)[:30]])
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("labels.csv.gz" if content[:1] == b"\x1f" else "labels.csv")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"labels\.csv.* cannot be read as a table"):
        list(open_table(path).rows("a"))


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("1.0", 1), ("0", 0), ("0.0", 0), ("-1", -1), ("-1.0", -1), ("", -2), ("NaN", -2)]
)
def test_cells_of_findings(text: str, value: int) -> None:
    assert parse_finding(text, "here") == value


@pytest.mark.parametrize("text", ["2", "yes", "0.5", "-2"])
def test_other_cells_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"labels.csv, line 3: '{text}' is no label"):
        parse_finding(text, "labels.csv, line 3")
