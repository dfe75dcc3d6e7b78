"""What must hold of the labels where an image may show several findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["check_findings"]

_KNOWN = (0, 1, -1)


def check_findings(sections: Mapping[str, list[dict[str, Any]]], class_names: Sequence[str], origin: str) -> None:
    """Check that labels are 1, 0 or -1 per class name and that training shows one finding at least and its absence.

    Images without labels, for pre-training, have no class names; of them nothing is asked.

    Args:
        sections: items by section, each with ``labels``.
        class_names: names of the findings in label order.
        origin: name of the file in error messages.

    Raises:
        ValueError: naming the item or the section.
    """
    for section, items in sections.items():
        for position, item in enumerate(items):
            labels = item["labels"]
            if len(labels) != len(class_names) or any(isinstance(v, bool) or v not in _KNOWN for v in labels):
                raise ValueError(
                    f"{origin}: {section}[{position}] has labels = {labels!r:.80}, not 1, 0 or -1 for each of the "
                    f"{len(class_names)} findings ({', '.join(class_names)}): prepare the data again"
                )
    for section in ("training", "validation"):
        if not sections[section]:
            raise ValueError(f"{origin}: section {section!r} is empty: give it samples, or prepare with another split")
    columns = zip(*(item["labels"] for item in sections["training"]))
    if class_names and not any({0, 1} <= set(column) for column in columns):
        raise ValueError(
            f"{origin}: training shows none of {', '.join(class_names)} both present and absent: a classifier needs "
            "films of either kind; take other films, or another policy for uncertain and missing labels"
        )
