"""Markdown tables for benchmark reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["markdown_table"]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with the first column to the left and the others, being numbers, to the right.

    Args:
        header: names of the columns.
        rows: cells, as many as columns each.

    Returns:
        lines of Markdown, without a newline at the end.

    Raises:
        ValueError: when a row has another number of cells.
    """
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells does not fit {len(header)} columns: {list(row)}.")
        lines.append([str(cell) for cell in row])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
