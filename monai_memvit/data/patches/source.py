"""What every kind of source is turned into before it is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["PatchRecord", "PatchSource", "split_name"]

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class PatchRecord:
    """One labelled patch of a source.

    Args:
        sample_key: stable name of the patch in its source.
        group_key: patient or slide; the sample itself where nothing is known.
        label: class index.
        split: ``train``, ``val`` or ``test``, or None where the source has no split.
        image: the file, or the pixels where the source is an archive.
        where: path (and row) for reports.
    """

    sample_key: str
    group_key: str
    label: int
    split: str | None
    image: Path | np.ndarray = field(repr=False)
    where: str


@dataclass(frozen=True)
class PatchSource:
    """All patches of a source, in an order that depends on the source only.

    Args:
        name: name of the data set.
        class_names: names of the classes in label order.
        records: the patches.
        unknown_labels: number of patches left out because their class is unknown.
    """

    name: str
    class_names: list[str]
    records: list[PatchRecord]
    unknown_labels: int = 0


def split_name(value: str, origin: str) -> str:
    """Return ``train``, ``val`` or ``test`` for one of their usual names.

    Args:
        value: as the source spells it.
        origin: of the value, for the error message.

    Raises:
        ValueError: for any other name.
    """
    try:
        return _SPLIT_NAMES[value.strip().lower()]
    except KeyError:
        raise ValueError(f"{origin}: split {value!r} is unknown: use train, val (or validation) and test") from None
