"""The datalist: which image has which label, patient and opaque id, in which section of the data set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .atomic import atomic_write_json
from .datalist_checks import check_channels, check_header, check_ids, check_items, check_labels, check_splits
from .finding_checks import check_findings
from .identity import IDENTITY_FILE, IdentityKey, id_map
from .strata import rarest_finding
from .subsets import nested_subset

__all__ = [
    "DATALIST_FORMAT",
    "SECTIONS",
    "Case",
    "Datalist",
    "load_case_index",
    "load_channel_names",
    "load_class_names",
    "load_fingerprint",
    "load_id_map",
    "load_num_channels",
    "load_pipeline_digest",
    "load_section",
]

DATALIST_FORMAT = "monai_memvit-datalist/1"
SECTIONS = ("training", "validation", "test")
_TOLD = ("label", "sample_id", "group_id", "case_id", "slice", "channel_mask")


class Case(NamedTuple):
    """Who stands behind an opaque sample id; for local evidence only, never for a log or a checkpoint.

    In a multi-label datalist ``label`` is -1, and ``labels`` holds 1, 0 or -1 (unknown) per finding.
    """

    sample_key: str
    group_key: str
    label: int
    image: Path
    section: str
    slice: int | None = None
    labels: tuple[float, ...] | None = None


@dataclass
class Datalist:
    """A data set of labelled images, as it stands in ``datalist.json``.

    MONAI's ``load_decathlon_datalist(path, is_segmentation=False, data_list_key="training")`` reads the file too.

    Args:
        name: name of the data set.
        class_names: names of the classes, or of the findings of a multi-label set, in label order.
        num_channels: channels of every image.
        fingerprint: digest of the content (see :func:`monai_memvit.data.content_fingerprint`).
        id_map: digest of all sample ids (see :func:`monai_memvit.data.id_map`).
        sections: items of ``training``, ``validation`` and ``test``; an item holds ``image`` (absolute, or relative to
            the datalist's folder), ``label`` (or ``labels``), ``sample_key``, ``group_key``, ``sample_id`` and
            ``group_id``. Where one file holds the slices of a case, ``slice`` is the number of the item's and
            ``case_id`` tells apart the cases of one patient; where channels may be absent, ``channel_mask`` says for
            each whether it is there.
        channel_names: of every image, such as the sequences of an MRI study; empty where they have none.
        pipeline: digest of the ``pipeline.json`` beside it, where new images are prepared by one; else empty.
        multi_label: whether an image may show several findings: items then hold ``labels`` in place of ``label``, per
            class name 1 (there), 0 (not there) or -1 (unknown, to be left out of every sum).
    """

    name: str
    class_names: list[str]
    num_channels: int
    fingerprint: str
    id_map: int
    sections: dict[str, list[dict[str, Any]]] = field(repr=False)
    channel_names: list[str] = field(default_factory=list)
    pipeline: str = ""
    multi_label: bool = False

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Datalist:
        """Read and validate a datalist; where ``identity.key`` lies beside it, the ids are checked against it.

        Raises:
            ValueError: naming the file, the offending value and the remedy.
        """
        path = Path(path)
        content = _read_json(path)
        check_header(content, DATALIST_FORMAT, SECTIONS, str(path))
        datalist = cls(
            name=content["name"],
            class_names=content["class_names"],
            num_channels=content["num_channels"],
            fingerprint=content["fingerprint"],
            id_map=content["id_map"],
            sections={section: content[section] for section in SECTIONS},
            channel_names=content.get("channel_names", []),
            pipeline=content.get("pipeline", ""),
            multi_label=content.get("multi_label", False),
        )
        identity = IdentityKey.load(path.parent) if (path.parent / IDENTITY_FILE).exists() else None
        datalist.validate(identity, origin=str(path))
        return datalist

    def save(self, path: str | os.PathLike[str]) -> None:
        """Validate, then write atomically.

        Raises:
            ValueError: as :meth:`validate`; an older file then stays as it was.
        """
        self.validate(origin=str(path))
        atomic_write_json(path, self._content())

    def validate(self, identity: IdentityKey | None = None, origin: str = "datalist") -> None:
        """Check fields, labels, splits and ids.

        Args:
            identity: where given, every id must be the one that this key makes of the sample's or group's key.
            origin: name of the file in error messages.

        Raises:
            ValueError: for a missing or mistyped field, a label outside the class names, a training section of one
                class (multi-label: without both a 1 and a 0 of any finding), an empty training or validation section, a
                group in two sections, a duplicate sample key, colliding ids, ids of another identity key, or an
                ``id_map`` of other ids.
        """
        check_header(self._content(), DATALIST_FORMAT, SECTIONS, origin)
        check_items(self.sections, origin, self.multi_label)
        check_channels(self.sections, self.num_channels, self.channel_names, origin)
        check = check_findings if self.multi_label else check_labels
        check(self.sections, self.class_names, origin)
        check_splits(self.sections, origin)
        check_ids(self.sections, self.id_map, identity, origin)

    def _content(self) -> dict[str, Any]:
        header = {"format": DATALIST_FORMAT, "name": self.name, "class_names": self.class_names}
        digests = {"num_channels": self.num_channels, "fingerprint": self.fingerprint, "id_map": self.id_map}
        channels = {"channel_names": self.channel_names} if self.channel_names else {}
        pipeline = {"pipeline": self.pipeline} if self.pipeline else {}
        kind = {"multi_label": True} if self.multi_label else {}
        return header | digests | channels | pipeline | kind | self.sections


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: make it with `python -m monai_memvit prepare …`") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder: give the datalist.json in it") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}): prepare the data again") from None


def _read_once(path: str | os.PathLike[str]) -> Datalist:
    """The datalist of a file, validated once as long as neither it nor its key changes; callers must not change it."""
    path = Path(path).absolute()
    return _read_state(path, _state(path), _state(path.parent / IDENTITY_FILE))


@lru_cache(maxsize=2)
def _read_state(path: Path, *states: tuple[int, ...] | None) -> Datalist:
    return Datalist.load(path)


def _state(path: Path) -> tuple[int, ...] | None:
    if not path.exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def load_section(
    path: str | os.PathLike[str], section: str, fraction: float = 1.0, seed: int = 0
) -> list[dict[str, Any]]:
    """Read the items of one section, ready for a MONAI ``Dataset``.

    The keys of patients stay behind: items hold opaque ids only, so that no key reaches a log, a checkpoint or MLflow.

    Args:
        path: the ``datalist.json``.
        section: ``training``, ``validation`` or ``test``.
        fraction: share of every class to take, above 0 and at most 1; smaller shares lie inside larger ones. In a
            multi-label set a class is the rarest finding that an image shows.
        seed: which nested family of shares.

    Returns:
        Dictionaries of ``image`` (absolute path), ``label``, ``sample_id`` and ``group_id``, and of ``case_id``,
        ``slice`` and ``channel_mask`` where the datalist has them. In a multi-label set ``labels`` stands in place of
        ``label``: a list of 1.0, 0.0 or -1.0 (unknown) per class name.

    Raises:
        ValueError: where the file is invalid, the section unknown or empty, or the fraction outside (0, 1].
    """
    if section not in SECTIONS:
        raise ValueError(f"section {section!r} is unknown: take one of {', '.join(SECTIONS)}")
    datalist = _read_once(path)
    items = datalist.sections[section]
    if not items:
        raise ValueError(f"{path}: section {section!r} is empty: evaluate another, or prepare data that have one")
    folder = Path(path).resolve().parent
    classes = rarest_finding([item["labels"] for item in items]) if datalist.multi_label else _labels(items)
    chosen = nested_subset(classes, fraction, seed)
    return [_without_keys(items[i], folder) for i in chosen]


def _labels(items: list[dict[str, Any]]) -> np.ndarray:
    return np.array([item["label"] for item in items])


def _without_keys(item: dict[str, Any], folder: Path) -> dict[str, Any]:
    told = {name: item[name] for name in _TOLD if name in item}
    if "labels" in item:
        told["labels"] = [float(label) for label in item["labels"]]
    return {"image": str(folder / item["image"])} | told


def load_class_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the class names of a datalist in label order.

    Args:
        path: the ``datalist.json``.

    Raises:
        ValueError: when its images have no labels.
    """
    names = list(_read_once(path).class_names)
    if not names:
        raise ValueError(f"{path} holds images without labels, which serve for pre-training alone: give labelled ones.")
    return names


def load_id_map(path: str | os.PathLike[str]) -> int:
    """Return the digest of a datalist's sample ids and content, to be compared with the one beside a bank of cases.

    Args:
        path: the ``datalist.json``.
    """
    datalist = _read_once(path)
    return id_map((item["sample_id"] for items in datalist.sections.values() for item in items), datalist.fingerprint)


def load_num_channels(path: str | os.PathLike[str]) -> int:
    """Return the number of channels of a datalist's images.

    Args:
        path: the ``datalist.json``.
    """
    return _read_once(path).num_channels


def load_channel_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the channels of a datalist's images, in their order.

    Args:
        path: the ``datalist.json``.
    """
    return list(_read_once(path).channel_names)


def load_pipeline_digest(path: str | os.PathLike[str]) -> str:
    """Return the digest of the pipeline that a datalist's images went through; empty where it tells none.

    Args:
        path: the ``datalist.json``.
    """
    return _read_once(path).pipeline


def load_fingerprint(path: str | os.PathLike[str]) -> str:
    """Return the fingerprint of a datalist's content.

    Args:
        path: the ``datalist.json``.
    """
    return _read_once(path).fingerprint


def load_case_index(path: str | os.PathLike[str], added: Iterable[str | os.PathLike[str]] = ()) -> Mapping[int, Case]:
    """Return who stands behind each sample id: for evidence pictures and tables that stay where the data are.

    Args:
        path: the ``datalist.json``.
        added: others, of cases that were added to a case memory.
    """
    return {number: case for other in (*added, path) for number, case in _cases_of(other).items()}


def _cases_of(path: str | os.PathLike[str]) -> dict[int, Case]:
    folder = Path(path).resolve().parent
    return {
        item["sample_id"]: Case(
            item["sample_key"],
            item["group_key"],
            item.get("label", -1),
            folder / item["image"],
            section,
            item.get("slice"),
            tuple(float(label) for label in item["labels"]) if "labels" in item else None,
        )
        for section, items in _read_once(path).sections.items()
        for item in items
    }
