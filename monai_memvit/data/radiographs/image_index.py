"""Finding the file of a film by its name in a label file, at any depth, or by its DICOM UID."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from .dicom_names import read_dicom_names
from .label_files.film_labels import LabelledFilm, LeftOutFilm

__all__ = ["PICTURES", "match_films"]

PICTURES = (".png", ".jpg", ".jpeg")
_FILMS = (*PICTURES, ".dcm", ".dicom", ".dic", ".ima")
_Parts = tuple[str, ...]
_OTHERS = (".csv", ".gz", ".txt", ".md", ".json", ".html", ".pdf", ".zip", ".tar", ".xml", ".npy", ".key", ".xlsx")


def match_films(
    films: Sequence[LabelledFilm], files: Sequence[Path], source: Path, progress: bool = True
) -> tuple[list[tuple[LabelledFilm, Path]], list[LeftOutFilm]]:
    """Find the file of every film.

    A film named by a path is the file whose path ends likewise: all of the shorter of the two must agree. The ending
    of a film's file (``.png``, ``.dcm`` …) may differ, or be missing in the label file. Films not found by name are
    looked for by SOP Instance UID (0008,0018) in the headers of the DICOM files that no other film claims.

    Args:
        films: of the label file.
        files: of the source.
        source: their folder.
        progress: whether to show a bar on stderr while headers are read.

    Returns:
        Films with their files, and the films without: absent, found several times, or claiming a file that another
        film claims too.
    """
    index = _Index([path for path in files if not path.name.lower().endswith(_OTHERS)], source)
    found = {number: index.find(film.key) for number, film in enumerate(films)}
    absent = [number for number, paths in found.items() if not paths]
    taken = {path for paths in found.values() for path in paths}
    if absent and (free := [path for path in index.files if path not in taken]):
        by_uid = _by_uid(free, progress)
        found |= {number: by_uid.get(films[number].key, []) for number in absent}
    return _sorted_out(films, found, source)


class _Index:
    """Files by the last parts of their paths, with and without the ending: CheXpert has one name 190,000 times."""

    def __init__(self, files: Sequence[Path], source: Path) -> None:
        self.files = files
        self.source = source
        self._table = lru_cache(maxsize=None)(self._made_table)

    def find(self, key: str) -> list[Path]:
        """Files that a key may mean; those with its very ending go first."""
        parts = PurePosixPath(key.replace("\\", "/")).parts
        return (self._find(parts, str) or self._find(parts, _stem)) if parts else []

    def _find(self, parts: _Parts, named: Callable[[str], str]) -> list[Path]:
        table, wanted = self._table(len(parts), named), (*parts[:-1], named(parts[-1]))
        return [path for start in range(len(wanted)) for path in table.get(wanted[start:], ())]

    def _made_table(self, length: int, named: Callable[[str], str]) -> dict[_Parts, list[Path]]:
        """Files by so many parts of their paths, or by all where these are fewer."""
        table: dict[_Parts, list[Path]] = defaultdict(list)
        for path in self.files:
            *folders, name = path.relative_to(self.source).parts[-length:]
            table[(*folders, named(name))].append(path)
        return table


def _stem(name: str) -> str:
    lower = name.lower()
    ending = next((ending for ending in _FILMS if lower.endswith(ending)), "")
    return name[: len(name) - len(ending)]


def _by_uid(files: Sequence[Path], progress: bool) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    headers = [path for path in files if not path.name.lower().endswith(PICTURES)]
    for path in tqdm(headers, desc="read headers", unit="file", disable=not progress):
        names = read_dicom_names(path)
        if names is not None and names.instance:
            found[names.instance].append(path)
    return found


def _sorted_out(
    films: Sequence[LabelledFilm], found: dict[int, list[Path]], source: Path
) -> tuple[list[tuple[LabelledFilm, Path]], list[LeftOutFilm]]:
    claims: dict[Path, list[LabelledFilm]] = defaultdict(list)
    for number, paths in found.items():
        if len(paths) == 1:
            claims[paths[0]].append(films[number])
    matched, problems = [], []
    for number, film in enumerate(films):
        cause = _cause(film, found[number], claims, source)
        if cause:
            problems.append(LeftOutFilm(film.key, film.where, cause))
        else:
            matched.append((film, found[number][0]))
    return matched, problems


def _cause(film: LabelledFilm, paths: list[Path], claims: dict[Path, list[LabelledFilm]], source: Path) -> str:
    if not paths:
        return f"no file {film.key} in {source}: add it"
    if len(paths) > 1:
        names = " and ".join(path.relative_to(source).as_posix() for path in paths[:2])
        return f"{len(paths)} files may be {film.key} ({names}): remove the others, or give its path"
    others = [other.where for other in claims[paths[0]] if other is not film]
    if others:
        return f"{others[0]} names the same file {paths[0].relative_to(source).as_posix()}: keep one row"
    return ""
