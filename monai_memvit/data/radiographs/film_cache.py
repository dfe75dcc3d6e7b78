"""Films as display values on disk: made once for a file and a pipeline, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from monai_memvit import __version__

from ..atomic import atomic_write, atomic_write_json
from ..fingerprint import array_digest
from ..workers import run_each
from .dicom_names import read_dicom_names
from .film_pipeline import FilmPipeline

__all__ = ["FILMS", "CachedFilm", "FilmProblem", "cache_films", "load_film_record", "remove_stale_films"]

FILMS = "films"
_RECORD_BYTES = 8192  # on disk, of a record and the header of the values, at most
_FILMS_PER_PROCESS = 64
_PRELOADED = (
    "torch",
    "monai.transforms",
    "pydicom",
    "PIL.Image",
    "monai_memvit.data.radiographs.film_cache",
    "monai_memvit.transforms.radiograph.crop_border",
    "monai_memvit.transforms.radiograph.film_files",
    "monai_memvit.transforms.radiograph.resize_film",
)


@dataclass(frozen=True)
class CachedFilm:
    """A prepared film.

    Args:
        file: ``.npy`` of display values ``(size, size)``, uint8 or uint16.
        record: what the ``.json`` beside it holds (see :meth:`FilmPipeline.prepare`).
    """

    file: Path
    record: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class FilmProblem:
    """Why a film could not be prepared.

    Args:
        path: of the film's file.
        cause: what is wrong, and what to do.
    """

    path: Path
    cause: str


def cache_films(
    paths: Sequence[Path],
    pipeline: FilmPipeline,
    out: Path,
    workers: int | None = None,
    progress: bool = True,
    max_bytes: int | None = None,
) -> tuple[dict[Path, CachedFilm], list[FilmProblem]]:
    """Prepare every film that is not there yet, in ``out/films``.

    A film's name there is a digest of its SOP Instance UID, the bytes of its file and the pipeline: it tells nobody
    anything, a file that changed is another film, and two files of the same bytes are one. What is there is kept where
    it is whole, else made again. The work can be killed at any time: the next call does the rest, with the same bytes.

    Args:
        paths: DICOM, PNG or JPEG files.
        pipeline: what is done to them.
        out: folder; ``films`` is made in it.
        workers: processes of one thread each; by default one per core, 0 for none but this one. The result does not
            depend on their number.
        progress: whether to show a bar on stderr.
        max_bytes: that the films of this call may take on disk together; None for what is free.

    Returns:
        Path -> prepared film, and why others are not prepared, both in the order of ``paths``.

    Raises:
        ValueError: before anything is written, where the films need more than ``max_bytes`` or than is free; and when
            the disk is full nevertheless, what was finished being kept.
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 0:
        raise ValueError(f"workers is {workers}: give 0 or more")
    unique = list(dict.fromkeys(paths))
    folder = out / FILMS
    _require_room(folder, len(unique), pipeline, max_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    films: dict[Path, CachedFilm] = {}
    causes: dict[Path, str] = {}
    task = partial(_cache_film, pipeline, folder)
    results = run_each(task, unique, workers, _PRELOADED, _FILMS_PER_PROCESS)
    with closing(results), tqdm(total=len(unique), desc="prepare films", unit="film", disable=not progress) as bar:
        for done in results:
            if done.cause:
                causes[unique[done.position]] = done.cause
            elif done.result is None:
                raise ValueError(f"{folder}: no space is left on the disk; make room and go on, what is done is kept")
            else:
                films[unique[done.position]] = CachedFilm(*done.result)
            bar.update()
    problems = [FilmProblem(path, causes[path]) for path in unique if path in causes]
    return {path: films[path] for path in unique if path in films}, problems


def _require_room(folder: Path, count: int, pipeline: FilmPipeline, max_bytes: int | None) -> None:
    need = count * (pipeline.bytes_per_film + _RECORD_BYTES)
    told = f"{count} films of {pipeline.size} x {pipeline.size} pixels in {pipeline.bits} bits need {_size(need)}"
    remedy = "take a smaller size, 8 bits or fewer films"
    if max_bytes is not None and need > max_bytes:
        raise ValueError(f"{told}, the limit is {_size(max_bytes)}: raise it, or {remedy}")
    place = next(parent for parent in [folder, *folder.resolve().parents] if parent.exists())
    free = shutil.disk_usage(place).free
    if need > free and need > (free := free + sum(path.stat().st_size for path in _entries(folder))):
        raise ValueError(f"{told}, but {place} has room for {_size(free)}: make room, or {remedy}")


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"


def _entries(folder: Path) -> Iterable[Path]:
    return (path for path in folder.glob("[0-9a-f][0-9a-f]/*") if path.is_file())


def _cache_film(pipeline: FilmPipeline, folder: Path, path: Path) -> tuple[Path, dict[str, Any]] | None:
    """In a worker's process: prepare a film unless it is there; None where the disk is full."""
    file = folder / _name(path, pipeline)
    record = _whole(file)
    if record is not None:
        return file, record
    image, record = pipeline.prepare(path)
    try:
        file.parent.mkdir(exist_ok=True)
        with atomic_write(file) as stream:
            np.save(stream, image)
        atomic_write_json(file.with_suffix(".json"), record)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return None
        raise
    return file, record


def _name(path: Path, pipeline: FilmPipeline) -> str:
    names = read_dicom_names(path)
    instance = "" if names is None else names.instance
    told = json.dumps([instance, _file_digest(path), pipeline.digest(), __version__])
    digits = blake2b(told.encode("utf-8"), digest_size=16).hexdigest()
    return f"{digits[:2]}/{digits[2:]}.npy"


def _file_digest(path: Path) -> str:
    digest = blake2b(digest_size=32)
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ValueError(f"{path}: it cannot be read ({error.strerror}): correct the list of films") from None
    return digest.hexdigest()


def _whole(file: Path) -> dict[str, Any] | None:
    """The record of a film whose values are those that were written, else None."""
    try:
        record: dict[str, Any] = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        image = np.load(file, allow_pickle=False)
        return record if array_digest(image) == record["image_digest"] else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def load_film_record(file: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what is known of a prepared film.

    Args:
        file: its ``.npy``.

    Raises:
        ValueError: where the record is absent or malformed.
    """
    path = Path(file).with_suffix(".json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no record of a prepared film ({error}): prepare the films again") from None
    if not isinstance(record, dict):
        raise ValueError(f"{path} is no record of a prepared film: prepare the films again")
    return record


def remove_stale_films(out: Path, kept: Collection[Path]) -> None:
    """Remove prepared films that no datalist needs any more, and what killed writers left.

    Args:
        out: folder that was given to :func:`cache_films`; nothing may be writing to it.
        kept: ``file`` of those that stay.
    """
    folder = out / FILMS
    stay = {path.resolve() for file in kept for path in (file, file.with_suffix(".json"))}
    for path in list(_entries(folder)):
        if path.resolve() not in stay and path.suffix in (".npy", ".json", ".tmp"):
            path.unlink(missing_ok=True)
            with suppress(OSError):  # holds others
                path.parent.rmdir()
