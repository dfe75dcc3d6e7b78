"""Writing small label files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_memvit.data.radiographs.label_files.table import CsvTable, open_table

Write = Callable[..., CsvTable]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes lines into a CSV and opens it."""

    def write(*lines: str, name: str = "labels.csv") -> CsvTable:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return open_table(path)

    return write
