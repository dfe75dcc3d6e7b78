"""The whole way from an npz archive of co-registered slices to prepared cases and a datalist."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from monai_memvit import __version__

from ...atomic import atomic_write_json
from ...datalist import SECTIONS, Datalist
from ...datalist_checks import check_labels, check_splits
from ...fingerprint import array_digest, content_fingerprint
from ...identity import IdentityKey, id_map
from ...patches.report import BrokenImage
from ...patches.sections import assign_sections
from ...patches.source import PatchRecord
from ..case_folder import new_folder, remove_stale, remove_unfinished
from .slice_archive_report import SliceArchiveReport
from .slice_arrays import SliceArrays, read_slice_arrays
from .slice_stack import stack_slices

__all__ = ["SliceArchiveOptions", "prepare_slice_archive"]


@dataclass(frozen=True)
class SliceArchiveOptions:
    """How an archive of slices is read and split.

    Args:
        sequences: name of every channel, in the order of the archive's ``image``.
        class_names: in label order; by default the archive's ``class_names``, else ``class 0`` ….
        val_fraction: see :func:`monai_memvit.data.patches.sections.assign_sections`.
        test_fraction: likewise.
        seed: of the splits that are drawn.
        name: name of the data set; by default that of the file.
    """

    sequences: Sequence[str]
    class_names: Sequence[str] | None = None
    val_fraction: float | None = None
    test_fraction: float | None = None
    seed: int = 0
    name: str | None = None


def prepare_slice_archive(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: SliceArchiveOptions,
    progress: bool = True,
) -> SliceArchiveReport:
    """Normalise the slices of every patient and write ``cases``, ``datalist.json`` and ``report.json``.

    Of each patient there is a folder ``cases/<digest>`` of ``image.npy`` (S, C, H, W) float16, ``brain.npy`` and, where
    the archive has masks, ``tumour.npy`` (S, H, W) bool, ``record.json`` and ``quality.png``. A sequence that was not
    acquired is zeros in ``image.npy`` and false in ``channel_mask``, whatever stands in its place; in a slice, so is
    one with one value all over it. Slices with NaN, or without any image, are reported and left out. Splits are those
    of :func:`monai_memvit.data.patches.sections.assign_sections`: with train and val only, val is the test section.

    Args:
        source: the npz file; :func:`monai_memvit.data.mri.archives.slice_arrays.read_slice_arrays` says what it holds.
        out: folder to write; an earlier preparation in it keeps its ``identity.key``, and so all ids.
        options: how to read and split.
        progress: whether to show a bar on stderr.

    Returns:
        What was written and what was left out.

    Raises:
        ValueError: where the set as a whole cannot be used; an earlier datalist then stays.
    """
    source, out = Path(source), Path(out)
    _check_places(source, out)
    arrays = read_slice_arrays(source, options.sequences, options.class_names)
    visible = _visible(arrays)
    causes = _causes(arrays, visible)
    sections = _sections(arrays, causes, options)
    identity = IdentityKey.load_or_create(out)
    cases = out / "cases"
    cases.mkdir(exist_ok=True)
    remove_unfinished(cases)
    items: dict[int, dict[str, Any]] = {}
    for rows in tqdm(_by_patient(arrays, sections), desc="prepare cases", unit="case", disable=not progress):
        try:
            items |= _prepare_patient(arrays, rows, visible, options.sequences, identity, out)
        except ValueError as error:
            causes |= dict.fromkeys(rows, str(error))
    datalist = _datalist(arrays, items, sections, visible, options)
    datalist.validate(identity, origin=str(out))
    report = _report(arrays, datalist, out / "datalist.json", causes, visible)
    atomic_write_json(out / "report.json", report.as_dict())
    datalist.save(report.datalist)
    remove_stale(cases, {item["image"].split("/")[1] for item in items.values()})
    return report


def _check_places(source: Path, out: Path) -> None:
    if not source.is_file() or source.suffix.lower() != ".npz":
        raise ValueError(f"{source} is no .npz file: give an archive of slices, or `prepare mri` a folder of studies")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: choose a folder")


def _visible(arrays: SliceArrays) -> NDArray[np.bool_]:
    """Where a sequence was acquired and is not the same value everywhere, ``(N, C)``; NaN counts as different."""
    return arrays.present & (arrays.images.max(axis=(1, 2)) != arrays.images.min(axis=(1, 2)))


def _causes(arrays: SliceArrays, visible: NDArray[np.bool_]) -> dict[int, str]:
    """Why a slice cannot be used, by row."""
    finite = np.isfinite(arrays.images).all(axis=(1, 2)) | ~arrays.present
    times = Counter(zip(arrays.patients, arrays.slice_numbers.tolist()))
    causes = {}
    for row, key in enumerate(zip(arrays.patients, arrays.slice_numbers.tolist())):
        if times[key] > 1:
            causes[row] = f"its patient has {times[key]} slices of number {key[1]}: give each its own"
        elif not finite[row].all():
            causes[row] = "NaN or infinite pixels"
        elif not visible[row].any():
            causes[row] = "no sequence shows anything: all are missing or have one value everywhere"
    return causes


def _sections(arrays: SliceArrays, causes: dict[int, str], options: SliceArchiveOptions) -> dict[int, str]:
    """The section of every usable slice of known class, by row."""
    rows = [row for row in np.flatnonzero(arrays.labels >= 0).tolist() if row not in causes]
    if not rows:
        first = next(iter(causes.values()), "no class is known")
        raise ValueError(f"{arrays.path}: none of its {len(arrays.images)} slices can be used ({first}): mend it")
    records = [_record(arrays, row) for row in rows]
    found = assign_sections(records, options.val_fraction, options.test_fraction, options.seed)
    by_section: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for record, section in zip(records, found):
        item = {"label": record.label, "sample_key": record.sample_key, "group_key": record.group_key}
        by_section[section].append(item)
    check_labels(by_section, arrays.class_names, str(arrays.path))
    check_splits(by_section, str(arrays.path))
    return dict(zip(rows, found))


def _record(arrays: SliceArrays, row: int) -> PatchRecord:
    patient, split = arrays.patients[row], arrays.splits[row] if arrays.splits else None
    key = f"{patient}/{arrays.slice_numbers[row]:03d}"
    return PatchRecord(key, patient, int(arrays.labels[row]), split, arrays.images[row], f"{arrays.path}[{row}]")


def _by_patient(arrays: SliceArrays, sections: dict[int, str]) -> list[list[int]]:
    """Rows of every patient, in the order of their slices."""
    by_patient: dict[str, list[int]] = {}
    for row in sorted(sections, key=lambda row: int(arrays.slice_numbers[row])):
        by_patient.setdefault(arrays.patients[row], []).append(row)
    return list(by_patient.values())


def _prepare_patient(
    arrays: SliceArrays,
    rows: list[int],
    visible: NDArray[np.bool_],
    sequences: Sequence[str],
    identity: IdentityKey,
    out: Path,
) -> dict[int, dict[str, Any]]:
    """Write a patient's folder, unless it is there, and return the item of every row."""
    from .slice_picture import slice_picture

    there, tumour = visible[rows], None if arrays.tumour is None else arrays.tumour[rows]
    group_id = identity.identify(arrays.patients[rows[0]])
    numbers = arrays.slice_numbers[rows]
    parts = [array_digest(part) for part in (arrays.images[rows], there, numbers, tumour) if part is not None]
    text = json.dumps([__version__, list(sequences), group_id, parts])
    target = out / "cases" / blake2b(text.encode("utf-8"), digest_size=16).hexdigest()
    if not target.is_dir():
        stack = stack_slices(arrays.images[rows], there, sequences)
        with new_folder(target) as folder:
            np.save(folder / "image.npy", stack.image)
            np.save(folder / "brain.npy", stack.brain)
            picture = slice_picture(stack, there, sequences)
            picture.savefig(folder / "quality.png", dpi=110, metadata={"Software": None})
            if tumour is not None:
                np.save(folder / "tumour.npy", tumour)
            record = {
                "channel_names": list(sequences),
                "channel_mask": there.any(0).tolist(),
                "slice_numbers": numbers.tolist(),
                "normalization": stack.normalization,
            }
            (folder / "record.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return {
        row: {
            "image": f"cases/{target.name}/image.npy",
            "slice": position,
            "channel_mask": visible[row].tolist(),
            "label": int(arrays.labels[row]),
            "sample_key": _record(arrays, row).sample_key,
            "group_key": arrays.patients[row],
            "sample_id": identity.identify(_record(arrays, row).sample_key),
            "group_id": group_id,
            "case_id": identity.identify(f"case:{arrays.patients[row]}"),
        }
        for position, row in enumerate(rows)
    }


def _datalist(
    arrays: SliceArrays,
    items: dict[int, dict[str, Any]],
    sections: dict[int, str],
    visible: NDArray[np.bool_],
    options: SliceArchiveOptions,
) -> Datalist:
    by_section: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    contents = []
    for row in sorted(items):
        item = items[row]
        by_section[sections[row]].append(item)
        pixels = array_digest(np.where(visible[row], arrays.images[row], 0))
        digest = f"{pixels} {list(options.sequences)} {visible[row].tolist()}"
        contents.append((item["sample_key"], item["group_key"], item["label"], sections[row], digest))
    return Datalist(
        name=options.name or arrays.path.stem,
        class_names=arrays.class_names,
        num_channels=len(options.sequences),
        fingerprint=content_fingerprint(arrays.class_names, contents),
        id_map=id_map(item["sample_id"] for item in items.values()),
        sections=by_section,
        channel_names=list(options.sequences),
    )


def _report(
    arrays: SliceArrays, datalist: Datalist, path: Path, causes: dict[int, str], visible: NDArray[np.bool_]
) -> SliceArchiveReport:
    broken = [
        BrokenImage(_record(arrays, row).sample_key, f"{arrays.path}[{row}]", causes[row]) for row in sorted(causes)
    ]
    blank = arrays.present & ~visible
    blank[sorted(causes)] = False
    missing = {
        name: len({arrays.patients[row] for row in np.flatnonzero(~arrays.present[:, channel]).tolist()})
        for channel, name in enumerate(datalist.channel_names)
    }
    counts = {
        section: {
            name: sum(item["label"] == label for item in items) for label, name in enumerate(datalist.class_names)
        }
        for section, items in datalist.sections.items()
    }
    return SliceArchiveReport(
        datalist=path,
        name=datalist.name,
        class_names=datalist.class_names,
        num_channels=datalist.num_channels,
        fingerprint=datalist.fingerprint,
        counts=counts,
        groups={section: len({item["group_id"] for item in items}) for section, items in datalist.sections.items()},
        sizes={"{}x{}".format(*arrays.images.shape[1:3]): sum(map(len, datalist.sections.values()))},
        unknown_labels=int((arrays.labels < 0).sum()),
        broken=broken,
        missing=missing,
        blank=dict(zip(datalist.channel_names, blank.sum(0).tolist())),
    )
