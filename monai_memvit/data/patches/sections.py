"""From the splits of a source to training, validation and test, without tuning on test patients."""

from __future__ import annotations

from collections.abc import Sequence

from ..splits import split_by_group
from .source import PatchRecord

__all__ = ["assign_sections"]

_SECTION = {"train": "training", "val": "validation", "test": "test"}
_DEFAULT_FRACTION = {"val_fraction": 0.1, "test_fraction": 0.2}


def assign_sections(
    records: Sequence[PatchRecord],
    val_fraction: float | None = None,
    test_fraction: float | None = None,
    seed: int = 0,
) -> list[str]:
    """Decide the section of every patch; whatever is drawn is drawn in whole groups, seeded and stratified by class.

    ================= ===========================================================================================
    the source has    what happens
    ================= ===========================================================================================
    train, val, test  kept
    train, test       validation is drawn from train
    train, val        val becomes the test section and validation is drawn from train, so that nothing is tuned on
                      the patients it is judged by; ``val_fraction=0`` keeps val as validation, without a test section
    train or no split test and validation are drawn
    ================= ===========================================================================================

    Args:
        records: the patches.
        val_fraction: share of training to hold out as validation, default 0.1.
        test_fraction: share of all to hold out as test where the source has no split, default 0.2.
        seed: of the draws.

    Returns:
        ``training``, ``validation`` or ``test`` per patch.

    Raises:
        ValueError: where the source has no training part, or a fraction is given that has nothing to act upon.
    """
    splits = {record.split for record in records} - {None}
    sections = [_SECTION[record.split or "train"] for record in records]
    if splits and "train" not in splits:
        found = ", ".join(sorted(map(str, splits)))
        raise ValueError(f"the source has {found} but no train split: there is nothing to train on")
    if splits & {"val", "test"} and test_fraction is not None:
        raise ValueError(f"test fraction is {test_fraction}, but the source has its own split: leave the option out")
    if splits == {"train", "val", "test"}:
        if val_fraction is not None:
            raise ValueError(f"val fraction is {val_fraction}, but the source has train, val and test: leave it out")
        return sections
    if splits == {"train", "val"}:
        if val_fraction == 0:
            return sections
        sections = ["test" if section == "validation" else section for section in sections]
    if not splits & {"val", "test"}:
        sections = _hold_out(records, sections, "test", _fraction("test_fraction", test_fraction), seed)
    return _hold_out(records, sections, "validation", _fraction("val_fraction", val_fraction), seed + 1)


def _fraction(name: str, given: float | None) -> float:
    fraction = _DEFAULT_FRACTION[name] if given is None else given
    if not 0 < fraction < 1:
        raise ValueError(f"{name.replace('_', ' ')} is {fraction}: give a number between 0 and 1, both excluded")
    return fraction


def _hold_out(
    records: Sequence[PatchRecord], sections: Sequence[str], name: str, fraction: float, seed: int
) -> list[str]:
    training = [i for i, section in enumerate(sections) if section == "training"]
    labels = [records[i].label for i in training]
    _, held = split_by_group(labels, [records[i].group_key for i in training], fraction, seed)
    result = list(sections)
    for position in held.tolist():
        result[training[position]] = name
    return result
