"""What became of a folder of slides: the tiles of each, what was left out, and how the classes lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .tile_index import FLAGS

__all__ = ["SlideIndexReport", "SlideProblem", "SlideReport"]


@dataclass(frozen=True)
class SlideProblem:
    """A slide, or a line of the labels, that was left out.

    Args:
        slide: its path in the source.
        cause: why, and what to do.
    """

    slide: str
    cause: str

    def __str__(self) -> str:
        return f"{self.slide}: {self.cause}"


@dataclass(frozen=True)
class SlideIndexReport:
    """One slide that was indexed.

    Args:
        slide: its path in the source.
        folder: of its ``tiles.parquet``, ``tiles.geojson`` and ``thumbnail.png``, relative to the report.
        fingerprint: of the slide.
        size: (width, height) of level 0 in pixels.
        mpp: (x, y) micrometres per pixel of level 0.
        tiles: that show enough tissue.
        tissue_mm2: area of the tissue.
        flagged: tiles per flag.
        notes: what a person should know of it.
    """

    slide: str
    folder: str
    fingerprint: str
    size: Sequence[int]
    mpp: Sequence[float]
    tiles: int
    tissue_mm2: float
    flagged: Mapping[str, int]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class SlideReport:
    """The outcome of preparing a source; ``report.json`` and ``report.md`` hold the same.

    Args:
        out: folder that was written to.
        name: name of the data set.
        parameters: how slides were cut.
        slides: that were indexed.
        problems: what was left out, and why.
        class_names: in label order; empty without labels.
        fingerprint: digest of the content; empty without labels.
        counts: slides per section and class name; empty without labels.
        groups: patients per section.
    """

    out: Path
    name: str
    parameters: Mapping[str, Any]
    slides: list[SlideIndexReport]
    problems: list[SlideProblem]
    class_names: list[str] = field(default_factory=list)
    fingerprint: str = ""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, without the path of the folder."""
        content = asdict(self)
        del content["out"]
        return content

    def __str__(self) -> str:
        """Return the sums, and slides per section and class, for a terminal."""
        tiles, area = sum(slide.tiles for slide in self.slides), sum(slide.tissue_mm2 for slide in self.slides)
        lines = [f"{len(self.slides)} slides, {tiles} tiles, {area:.1f} mm² of tissue; {len(self.problems)} problems"]
        if self.counts:
            width = max(len(name) for name in [*self.class_names, "patients"])
            lines.append(" " * width + "".join(f"{section:>12}" for section in self.counts))
            lines += [f"{row[0]:<{width}}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in self._balance()]
            lines.append(f"datalist: {self.out / 'datalist.json'}")
        return "\n".join([*lines, f"report: {self.out / 'report.md'}"])

    def as_markdown(self) -> str:
        """Return the report for a person to read."""
        parameters = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        left_out = "\n".join(f"- **{problem.slide}**: {problem.cause}" for problem in self.problems)
        head = ["slide", "tiles", "tissue mm²", *FLAGS, "µm per pixel", "pixels", "notes", "picture"]
        blocks = [
            f"# {self.name}: slides",
            f"Parameters: {parameters}.",
            f"## Left out\n\n{left_out or 'Nothing.'}",
            *(["## Classes\n\n" + _table(["", *self.counts], self._balance())] if self.counts else []),
            "## Slides\n\nTiles by what is wrong with them; `tiles.geojson` beside a picture is for QuPath.\n\n"
            + _table(head, [_row(slide) for slide in self.slides]),
        ]
        return "\n\n".join(blocks) + "\n"

    def _balance(self) -> Iterator[list[str]]:
        for name in self.class_names:
            yield [name, *(str(counts[name]) for counts in self.counts.values())]
        yield ["patients", *(str(self.groups[section]) for section in self.counts)]


def _row(slide: SlideIndexReport) -> list[str]:
    flags = [str(slide.flagged[name]) for name in FLAGS]
    mpp, size = " × ".join(f"{side:.4g}" for side in slide.mpp), " × ".join(map(str, slide.size))
    picture = f"[picture]({slide.folder}/thumbnail.png)"
    notes = "; ".join(slide.notes)
    return [slide.slide, str(slide.tiles), f"{slide.tissue_mm2:.2f}", *flags, mpp, size, notes, picture]


def _table(head: list[str], rows: Iterator[list[str]] | list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(cell.replace('|', '¦') for cell in row)} |" for row in rows]
    return "\n".join(lines)
