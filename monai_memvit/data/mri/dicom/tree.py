"""The DICOM files of a folder by study: what cannot be read, and where each study lies."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..studies import StudyProblem
from .files import DicomObject, read_object

__all__ = ["DicomTree"]


class DicomTree:
    """Reads all headers.

    Args:
        files: DICOM files.
        source: the folder that was searched.

    Attributes:
        source: as given.
        studies: StudyInstanceUID -> its objects.
        roots: StudyInstanceUID -> the folder that holds all of them.
        problems: one for every file that cannot be read.
    """

    def __init__(self, files: Sequence[Path], source: Path) -> None:
        self.source = source
        self.studies: dict[str, list[DicomObject]] = defaultdict(list)
        self.problems: list[StudyProblem] = []
        for path in files:
            self._read(path)
        folders = {uid: {found.path.parent for found in members} for uid, members in self.studies.items()}
        self.roots = {uid: Path(os.path.commonpath(places)) for uid, places in folders.items()}
        self._around = {
            uid: {above for place in places for above in (place, *place.parents)} for uid, places in folders.items()
        }

    def _read(self, path: Path) -> None:
        try:
            found = read_object(path)
        except ValueError as error:
            self.problems.append(StudyProblem(self.relative(path.parent), self.relative(path), str(error)))
            return
        if found.study:
            self.studies[found.study].append(found)

    def near(self, folder: Path) -> list[str]:
        """Return the studies that have files in or below a folder, or whose own folder it lies in.

        The source itself is nobody's own folder: it may hold many patients.

        Args:
            folder: below the source.
        """
        above = {folder, *folder.parents} - {self.source}
        return [uid for uid, root in self.roots.items() if folder in self._around[uid] or root in above]

    def relative(self, path: Path) -> str:
        """Return a path below the source; the source's own name for itself.

        Args:
            path: the source, or a path below it.
        """
        relative = path.relative_to(self.source).as_posix()
        return self.source.name if relative == "." else relative
