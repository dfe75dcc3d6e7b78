"""Finding the slides in a folder: files of the scanners' vendors, tiled TIFF, and DICOM series."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .readers.dicom_series import find_dicom_slides

__all__ = ["SLIDE_SUFFIXES", "SlideSource", "find_slides"]

# What openslide reads, and what it does not: the latter is told to be so, not passed over.
SLIDE_SUFFIXES = frozenset(
    ".svs .tif .tiff .ndpi .scn .mrxs .bif .vms .vmu .svslide .czi .qptiff .isyntax .vsi .sdpc .kfb .mds .ets".split()
)
_WITH_FOLDER = ".mrxs"  # its pixels lie in the folder of its name


@dataclass(frozen=True)
class SlideSource:
    """A slide that was found.

    Args:
        key: its path in the source.
        path: the file, or the folder of a DICOM series.
    """

    key: str
    path: Path

    @property
    def names(self) -> set[str]:
        """What a table may call it: its key, its file's name, and that without the suffix."""
        name = self.key.rpartition("/")[2]
        return {self.key, name, os.path.splitext(name)[0]}


def find_slides(source: Path) -> list[SlideSource]:
    """Find all slides below a folder, in the order of their paths; other files are passed over.

    Files that lie in a MIRAX slide's own folder belong to it. A folder of one DICOM series is a slide; of several
    series each is one, named by its first file.

    Args:
        source: a folder, or one file.

    Raises:
        ValueError: where there is none.
    """
    if source.is_file():
        return [SlideSource(source.name, source)]
    found = sorted(_walk(source, source), key=lambda slide: slide.key)
    if not found:
        raise ValueError(f"{source} holds no slide (such as .svs, .ndpi, .mrxs, tiled .tif, DICOM): correct the folder")
    return found


def _walk(folder: Path, source: Path, above: frozenset[Path] = frozenset()) -> Iterator[SlideSource]:
    """``above``: the folders on the way, so that a link to one of them is not followed for ever."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in entries if path.is_file()]
    vendors = [path for path in entries if path.suffix.lower() in SLIDE_SUFFIXES and not path.is_dir()]
    for path in vendors:
        yield SlideSource(_key(path, source), path)
    yield from _series(folder, [path for path in files if path not in vendors], source)
    here = above | {folder.resolve()}
    owned = {path.stem for path in files if path.suffix.lower() == _WITH_FOLDER}
    for path in entries:
        if path.is_dir() and path.name not in owned and path.resolve() not in here:
            yield from _walk(path, source, here)


def _series(folder: Path, files: list[Path], source: Path) -> Iterator[SlideSource]:
    groups = find_dicom_slides(files)
    damaged = [file.path for file in groups.pop("", [])]
    if len(groups) == 1 and not damaged:
        key = _key(folder, source) if folder != source else folder.resolve().name
        yield SlideSource(key, folder)
        return
    for path in [*(group[0].path for group in groups.values()), *damaged]:
        yield SlideSource(_key(path, source), path)


def _key(path: Path, source: Path) -> str:
    """Text in any case: bytes of a name that are no UTF-8 are spelt out."""
    return os.fsencode(path.relative_to(source).as_posix()).decode("utf-8", "backslashreplace")
