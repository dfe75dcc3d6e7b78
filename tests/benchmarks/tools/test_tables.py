"""Markdown tables."""

from __future__ import annotations

import pytest

from monai_memvit.benchmarks.tools.tables import markdown_table


def test_a_table_is_markdown():
    assert (
        markdown_table(["name", "ms"], [["a", 1], ["b", "2.5"]])
        == "| name | ms |\n| --- | ---: |\n| a | 1 |\n| b | 2.5 |"
    )


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 cells does not fit 1 columns"):
        markdown_table(["name"], [["a", "b"]])
