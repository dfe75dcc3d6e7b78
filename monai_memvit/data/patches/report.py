"""What became of a source: counts, and every image that was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["BrokenImage", "PrepareReport"]


@dataclass(frozen=True)
class BrokenImage:
    """An image that was left out.

    Args:
        sample_key: its key.
        where: its path, or archive and row.
        cause: why it cannot be used.
    """

    sample_key: str
    where: str
    cause: str


@dataclass(frozen=True)
class PrepareReport:
    """The outcome of preparing a source; ``report.json`` beside the datalist holds the same.

    Args:
        datalist: the file that was written.
        name: name of the data set.
        class_names: names of the classes in label order.
        num_channels: channels of every image.
        fingerprint: digest of the content.
        counts: samples per section and class name.
        groups: groups per section.
        sizes: number of images per ``HEIGHTxWIDTH``.
        unknown_labels: samples left out because their class is unknown.
        broken: images left out because they cannot be used.
    """

    datalist: Path
    name: str
    class_names: list[str]
    num_channels: int
    fingerprint: str
    counts: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, int]
    sizes: Mapping[str, int]
    unknown_labels: int
    broken: list[BrokenImage]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types, without the path of the datalist."""
        content = asdict(self)
        del content["datalist"]
        return content

    def __str__(self) -> str:
        """Return a table of samples per section and class for a terminal."""
        width = max(len(name) for name in [*self.class_names, "patients or groups"])
        rows = [" " * width + "".join(f"{section:>12}" for section in self.counts)]
        for name in self.class_names:
            rows.append(f"{name:<{width}}" + "".join(f"{self.counts[section][name]:>12}" for section in self.counts))
        rows.append(f"{'patients or groups':<{width}}" + "".join(f"{self.groups[s]:>12}" for s in self.counts))
        rows.append(f"left out: {self.unknown_labels} of unknown class, {len(self.broken)} broken")
        rows.append(f"datalist: {self.datalist}")
        return "\n".join(rows)
