"""The whole way from a source of patches to a datalist."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import atomic_write_json
from ..datalist import SECTIONS, Datalist
from ..datalist_checks import check_labels, check_splits
from ..fingerprint import content_fingerprint
from ..identity import IDENTITY_FILE, IdentityKey, id_map
from .checking import CheckedImage, check_records
from .folders import read_class_folders
from .medmnist import is_medmnist, read_medmnist
from .named_arrays import ArrayNames, read_named_arrays
from .pictures import remove_stale_pictures, write_pictures
from .report import BrokenImage, PrepareReport
from .sections import assign_sections
from .source import PatchRecord, PatchSource

__all__ = ["PatchOptions", "prepare_patches"]

Checked = Sequence[tuple[PatchRecord, CheckedImage]]


@dataclass(frozen=True)
class PatchOptions:
    """How a source of patches is read and split.

    Args:
        arrays: which array of an npz archive holds what (archives of named arrays only).
        class_names: classes in label order; by default as the source names them.
        group_pattern: regular expression with one capture group for the patient or slide in a file's name (folder
            trees only).
        val_fraction: see :func:`monai_memvit.data.patches.sections.assign_sections`.
        test_fraction: likewise.
        seed: of the splits that are drawn.
        name: name of the data set; by default that of the source.
    """

    arrays: ArrayNames = field(default_factory=ArrayNames)
    class_names: Sequence[str] | None = None
    group_pattern: str | None = None
    val_fraction: float | None = None
    test_fraction: float | None = None
    seed: int = 0
    name: str | None = None


def prepare_patches(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: PatchOptions = PatchOptions(),
    workers: int | None = None,
    progress: bool = True,
) -> PrepareReport:
    """Check every patch of a source and write ``datalist.json`` and ``report.json``.

    Sources are class-folder trees (images stay in place and are named by absolute path), MedMNIST archives, and npz
    archives of named arrays (pictures are written as PNG with opaque names under ``out/images``). Broken images are
    reported and left out. Preparing again into the same folder keeps ``identity.key`` and so all ids; the pictures of
    the earlier preparation stay until its datalist is replaced. One process at a time prepares into a folder.

    Args:
        source: folder or npz file.
        out: folder for the datalist; made where absent.
        options: how to read and split.
        workers: threads; the result does not depend on their number.
        progress: whether to show a bar on stderr.

    Returns:
        What was written and what was left out.

    Raises:
        ValueError: where the set as a whole cannot be used; nothing is written then.
    """
    source, out = Path(source), Path(out)
    _check_places(source, out)
    patches = _read(source, options)
    sound, broken = check_records(patches.records, workers, progress)
    if not sound:
        first = f"{broken[0].where}: {broken[0].cause}" if broken else "there is none"
        raise ValueError(f"{source}: none of its {len(broken)} images can be used ({first}): mend the source")
    records = [record for record, _ in sound]
    sections = assign_sections(records, options.val_fraction, options.test_fraction, options.seed)
    _check_before_writing(records, sections, patches.class_names, str(source))

    identity = IdentityKey.load_or_create(out)
    items = [_item(record, checked, identity) for record, checked in sound]
    by_section: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for item, section in zip(items, sections, strict=True):
        by_section[section].append(item)
    rows = [
        (record.sample_key, record.group_key, record.label, section, checked.digest)
        for (record, checked), section in zip(sound, sections, strict=True)
    ]
    datalist = Datalist(
        name=options.name or patches.name,
        class_names=patches.class_names,
        num_channels=sound[0][1].channels,
        fingerprint=content_fingerprint(patches.class_names, rows),
        id_map=id_map(item["sample_id"] for item in items),
        sections=by_section,
    )
    datalist.validate(identity, origin=str(out))
    names = [item["image"] for item in items]
    write_pictures([record.image for record in records], names, out, workers)
    report = _report(datalist, out / "datalist.json", sound, broken, patches.unknown_labels)
    atomic_write_json(out / "report.json", report.as_dict())
    datalist.save(report.datalist)
    remove_stale_pictures(names, out)
    return report


def _check_places(source: Path, out: Path) -> None:
    if not source.exists():
        raise ValueError(f"{source} does not exist: give a folder of class folders or an npz file")
    if source.is_file() and source.suffix.lower() != ".npz":
        raise ValueError(f"{source} is neither a folder nor an .npz file: give one of these")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{out} lies inside {source}, where folders are read as classes: choose a folder elsewhere")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: choose a folder")
    if (out / IDENTITY_FILE).exists():
        IdentityKey.load(out)


def _read(source: Path, options: PatchOptions) -> PatchSource:
    names = options.class_names
    if names is not None and len(set(names)) != len(names):
        raise ValueError(f"class names {', '.join(names)} repeat: give distinct names")
    if source.is_dir():
        return read_class_folders(source, names, options.group_pattern)
    if options.group_pattern is not None:
        raise ValueError(f"{source} is an archive: the group pattern is for folder trees; name the array of groups")
    return read_medmnist(source, names) if is_medmnist(source) else read_named_arrays(source, options.arrays, names)


def _check_before_writing(
    records: Sequence[PatchRecord], sections: Sequence[str], class_names: Sequence[str], origin: str
) -> None:
    by_section: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for record, section in zip(records, sections, strict=True):
        item = {"label": record.label, "sample_key": record.sample_key, "group_key": record.group_key}
        by_section[section].append(item)
    check_labels(by_section, class_names, origin)
    check_splits(by_section, origin)


def _item(record: PatchRecord, checked: CheckedImage, identity: IdentityKey) -> dict[str, Any]:
    sample_id = identity.identify(record.sample_key)
    name = f"{sample_id:016x}-{checked.digest[:16]}"  # other pixels, another file: none is ever written over
    return {
        "image": str(record.image.resolve()) if isinstance(record.image, Path) else f"images/{name[:2]}/{name}.png",
        "label": record.label,
        "sample_key": record.sample_key,
        "group_key": record.group_key,
        "sample_id": sample_id,
        "group_id": identity.identify(record.group_key),
    }


def _report(
    datalist: Datalist, path: Path, sound: Checked, broken: list[BrokenImage], unknown_labels: int
) -> PrepareReport:
    counts, groups = {}, {}
    for section, items in datalist.sections.items():
        found = Counter(item["label"] for item in items)
        counts[section] = {name: found[label] for label, name in enumerate(datalist.class_names)}
        groups[section] = len({item["group_id"] for item in items})
    sizes = Counter(f"{checked.height}x{checked.width}" for _, checked in sound)
    return PrepareReport(
        datalist=path,
        name=datalist.name,
        class_names=datalist.class_names,
        num_channels=datalist.num_channels,
        fingerprint=datalist.fingerprint,
        counts=counts,
        groups=groups,
        sizes=dict(sizes.most_common()),
        unknown_labels=unknown_labels,
        broken=broken,
    )
