"""What must hold in a datalist; each check raises a ``ValueError`` that names the file, the value and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .identity import IdentityKey, id_map

__all__ = ["check_channels", "check_header", "check_ids", "check_items", "check_labels", "check_splits"]

Item = dict[str, Any]
Sections = Mapping[str, list[Item]]

_HEADER: dict[str, type] = {"name": str, "class_names": list, "num_channels": int, "fingerprint": str, "id_map": int}
_ITEM: dict[str, type] = {
    "image": str,
    "sample_key": str,
    "group_key": str,
    "sample_id": int,
    "group_id": int,
}
_AGAIN = "prepare the data again"


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _walk(sections: Sections) -> Iterator[tuple[str, int, Item]]:
    for section, items in sections.items():
        for position, item in enumerate(items):
            yield section, position, item


def check_header(content: Any, expected_format: str, section_names: Sequence[str], origin: str) -> None:
    """Check the format version, the presence and kinds of the fields, and the class names.

    Args:
        content: the parsed file.
        expected_format: name and version of the format.
        section_names: sections that must be there.
        origin: name of the file in error messages.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{origin} holds a {type(content).__name__}, not a datalist: {_AGAIN}")
    found = content.get("format")
    if found != expected_format:
        raise ValueError(f"{origin} has format {found!r}, this version reads {expected_format!r}: {_AGAIN}")
    for name, kind in (_HEADER | {section: list for section in section_names}).items():
        if name not in content:
            raise ValueError(f"{origin} lacks the field {name!r}: {_AGAIN}")
        if not _is(content[name], kind):
            raise ValueError(f"{origin}: field {name!r} is {content[name]!r:.80}, not {kind.__name__}: {_AGAIN}")
    names = content["class_names"]
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
        raise ValueError(f"{origin}: class_names {names!r} are not distinct non-empty names: correct them")
    if not isinstance(content.get("pipeline", ""), str):
        raise ValueError(f"{origin}: pipeline is {content['pipeline']!r:.80}, not a digest: {_AGAIN}")
    if not isinstance(content.get("multi_label", False), bool):
        raise ValueError(f"{origin}: multi_label is {content['multi_label']!r:.80}, not true or false: {_AGAIN}")
    if content["num_channels"] < 1:
        raise ValueError(f"{origin}: num_channels is {content['num_channels']}: {_AGAIN}")


def check_items(sections: Sections, origin: str, multi_label: bool = False) -> None:
    """Check that every item has every field in the right kind; where it has an id of its case, that this fits int64.

    Args:
        sections: items by section.
        origin: name of the file in error messages.
        multi_label: whether items hold ``labels`` in place of ``label``.
    """
    fields = _ITEM | ({"labels": list} if multi_label else {"label": int})
    for section, position, item in _walk(sections):
        if not isinstance(item, dict):
            raise ValueError(f"{origin}: {section}[{position}] is a {type(item).__name__}, not an object: {_AGAIN}")
        for name, kind in fields.items():
            if name not in item:
                raise ValueError(f"{origin}: {section}[{position}] lacks the field {name!r}: {_AGAIN}")
            if not _is(item[name], kind) or item[name] == "":
                raise ValueError(
                    f"{origin}: {section}[{position}] has {name} = {item[name]!r:.80}, not a {kind.__name__}: {_AGAIN}"
                )
        case = item.get("case_id", 0)
        if not _is(case, int) or not 0 <= case < 2**63:
            raise ValueError(f"{origin}: {section}[{position}] has case_id = {case!r:.80}, not an id: {_AGAIN}")


def check_channels(sections: Sections, num_channels: int, channel_names: Any, origin: str) -> None:
    """Check names of channels, numbers of slices and masks of channels, where items have them.

    Args:
        sections: items by section.
        num_channels: channels of every image.
        channel_names: their names; empty where they have none.
        origin: name of the file in error messages.
    """
    if not isinstance(channel_names, list) or not all(isinstance(name, str) for name in channel_names):
        raise ValueError(f"{origin}: channel_names is {channel_names!r:.80}, not a list of names: {_AGAIN}")
    if channel_names and (len(channel_names) != num_channels or len(set(channel_names)) != num_channels):
        raise ValueError(f"{origin}: {channel_names} are not {num_channels} distinct names of channels: {_AGAIN}")
    for section, position, item in _walk(sections):
        where = f"{origin}: {section}[{position}]"
        number, mask = item.get("slice", 0), item.get("channel_mask", [True] * num_channels)
        if not _is(number, int) or number < 0:
            raise ValueError(f"{where} has slice = {number!r:.80}, not a slice's number: {_AGAIN}")
        if not isinstance(mask, list) or not all(isinstance(present, bool) for present in mask):
            raise ValueError(f"{where} has channel_mask = {mask!r:.80}, not a list of true and false: {_AGAIN}")
        if len(mask) != num_channels or not any(mask):
            raise ValueError(
                f"{where} has channel_mask = {mask}, but images have {num_channels} channels, one of which must be "
                f"there: {_AGAIN}"
            )


def check_labels(sections: Sections, class_names: Sequence[str], origin: str) -> None:
    """Check that labels point into the class names and that training holds two classes at least.

    Args:
        sections: items by section.
        class_names: names of the classes in label order.
        origin: name of the file in error messages.
    """
    for section, position, item in _walk(sections):
        if not 0 <= item["label"] < len(class_names):
            raise ValueError(
                f"{origin}: {section}[{position}] has the unknown class {item['label']}, there are "
                f"{len(class_names)} class names ({', '.join(class_names)}): add the name or leave the sample out"
            )
    for section in ("training", "validation"):
        if not sections[section]:
            raise ValueError(f"{origin}: section {section!r} is empty: give it samples, or prepare with another split")
    classes = {item["label"] for item in sections["training"]}
    if len(classes) < 2:
        only = class_names[classes.pop()]
        raise ValueError(f"{origin}: training holds one class only ({only!r}): a classifier needs two at least")


def check_splits(sections: Sections, origin: str) -> None:
    """Check that no group is in two sections and no sample key occurs twice.

    Args:
        sections: items by section.
        origin: name of the file in error messages.
    """
    home: dict[str, str] = {}
    seen: set[str] = set()
    for section, _, item in _walk(sections):
        group, sample = item["group_key"], item["sample_key"]
        if home.setdefault(group, section) != section:
            raise ValueError(
                f"{origin}: group {group!r} is in {home[group]!r} and in {section!r}: samples of one patient or slide "
                "belong to one split; correct the split, or the column or pattern that gives the group"
            )
        if sample in seen:
            raise ValueError(f"{origin}: sample key {sample!r} occurs twice: keys must be unique; remove one")
        seen.add(sample)


def check_ids(sections: Sections, expected_id_map: int, identity: IdentityKey | None, origin: str) -> None:
    """Check that ids fit int64, differ where keys differ, fit the identity key and the recorded ``id_map``.

    Args:
        sections: items by section.
        expected_id_map: the recorded digest of all sample ids.
        identity: the key that made the ids, where it is at hand.
        origin: name of the file in error messages.
    """
    for kind in ("sample", "group"):
        keys: dict[int, str] = {}
        for section, position, item in _walk(sections):
            number, key = item[f"{kind}_id"], item[f"{kind}_key"]
            where = f"{origin}: {section}[{position}]"
            if not 0 <= number < 2**63:
                raise ValueError(f"{where} has {kind}_id {number}, outside 0 … 2**63 - 1: {_AGAIN}")
            if keys.setdefault(number, key) != key:
                raise ValueError(
                    f"{where}: the {kind} keys {keys[number]!r} and {key!r} have the same id {number}: "
                    f"delete identity.key and {_AGAIN}"
                )
            if identity is not None and identity.identify(key) != number:
                raise ValueError(
                    f"{where}: {kind}_id {number} was not made with the identity.key in this folder: "
                    f"restore the key that belongs to the datalist, or {_AGAIN}"
                )
    found = id_map(item["sample_id"] for _, _, item in _walk(sections))
    if found != expected_id_map:
        raise ValueError(f"{origin}: id_map is {expected_id_map}, but its sample ids give {found}: {_AGAIN}")
