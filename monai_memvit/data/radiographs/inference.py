"""Films for an inference run: of a datalist's section, or new ones, prepared as the datalist's were."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_write_text
from ..datalist import load_pipeline_digest, load_section
from ..identity import IdentityKey
from ..inference_cases import CaseList
from ..mri.sources.visible_files import visible_files
from .dicom_names import is_dicom, read_dicom_names
from .film_cache import cache_films
from .image_index import PICTURES
from .pipeline_file import PIPELINE_FILE, load_film_pipeline

__all__ = ["load_new_films"]

_LEFT_OUT = "left_out.txt"
_NAMES = "films.csv"
_DICOM = (".dcm", ".dicom", ".dic", ".ima")
# what an export from PACS holds beside images: presentation states, reports, selections, documents, …
_NO_IMAGES = frozenset({"PR", "SR", "KO", "DOC", "AU", "PLAN", "REG", "RTPLAN", "RTSTRUCT"})


def load_new_films(
    datalist: str | os.PathLike[str],
    source: str | os.PathLike[str] = "",
    work_dir: str | os.PathLike[str] = "",
    section: str = "test",
    workers: int = 0,
) -> CaseList:
    """A section of a datalist, or every film below a folder.

    New films (DICOM, PNG, JPEG) go through the pipeline beside the datalist (``pipeline.json``) and lie prepared below
    ``work_dir``, where a second run finds them. Objects of a PACS export that hold no image, such as presentation
    states, are passed over. Opaque ids are made with the datalist's ``identity.key``; the keys are ``new:`` and the
    path below ``source`` (of the group: Patient ID), so that none is taken for a film of the datalist.
    ``films.csv`` in ``work_dir`` says which file stands behind which id, and ``left_out.txt`` which cannot be used, and
    why; both may name patients and stay there.

    Args:
        datalist: the ``datalist.json`` of training.
        source: folder of new films, searched through, or one film; empty for a section.
        work_dir: folder to prepare new films in; must be given with ``source``.
        section: which of the datalist's sections, where ``source`` is empty.
        workers: processes; 0 for none but this one, which is soonest done for a few films.

    Returns:
        Items with ``image`` (the prepared ``.npy``), ``sample_id``, ``group_id`` and, of a section, ``labels``. Films
        that cannot be used are in its ``broken``.

    Raises:
        ValueError: where there is no film, or none that can be used, or where new ones cannot be prepared as the
            datalist's were.
    """
    if str(source):  # a command line hands over a folder named 815 as a number
        items, broken = _new_films(Path(str(datalist)), Path(str(source)), Path(str(work_dir)), workers)
        told = f"{Path(str(work_dir)) / _LEFT_OUT} says why"
    else:
        items, broken = _section_films(load_section(datalist, section))
        told = f"the first: {next(iter(broken.items()), 'none found')}"
    if broken:  # a file may bear a name: it stands in the error at the end, not in the log
        logging.getLogger(__name__).error("%d of the films are left out; the end of the run names them", len(broken))
    if not items:
        raise ValueError(f"none of the {len(broken)} films can be used, {told}: mend or replace them")
    return CaseList(items, broken)


def _new_films(
    datalist: Path, source: Path, work_dir: Path, workers: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    if work_dir == Path(""):
        raise ValueError(f"{source} is to be prepared, but work_dir is empty: name a folder for the prepared films")
    pipeline = load_film_pipeline(datalist.parent)
    if load_pipeline_digest(datalist) not in ("", pipeline.digest()):
        raise ValueError(
            f"{datalist.parent / PIPELINE_FILE} is not the one that {datalist} was made with: prepare the data again"
        )
    identity = IdentityKey.load(datalist.parent)
    paths = _films(source)
    work_dir.mkdir(parents=True, exist_ok=True)
    cached, problems = cache_films(paths, pipeline, work_dir, workers, progress=False)
    root = source if source.is_dir() else source.parent
    items, rows = [], []
    for path in paths:
        if path in cached:
            key = f"new:{_in_utf8(path.relative_to(root).as_posix())}"
            item = _item(cached[path].file, key, path, identity)
            items.append(item)
            rows.append([item["sample_id"], _in_utf8(str(path)), item["image"]])
    broken = {_in_utf8(str(problem.path)): _in_utf8(problem.cause) for problem in problems}
    atomic_write_text(work_dir / _LEFT_OUT, "".join(f"{path}: {cause}\n" for path, cause in broken.items()))
    atomic_write_text(work_dir / _NAMES, _table([["sample_id", "film", "image"], *rows]))
    return items, broken


def _in_utf8(text: str) -> str:
    """A path that can be written down: the names of old exports are in Latin-1, whose bytes are shown as numbers."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _films(source: Path) -> list[Path]:
    files = [source] if source.is_file() else visible_files(source)
    films = [path for path in files if source.is_file() or _may_be_film(path)]
    if not films:
        raise ValueError(f"{source}: no film (DICOM, {', '.join(PICTURES)}) there: name a folder of films, or one film")
    return films


def _may_be_film(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(PICTURES):
        return True
    if name == "dicomdir" or not (name.endswith(_DICOM) or is_dicom(path)):
        return False
    names = read_dicom_names(path)
    return names is None or names.modality not in _NO_IMAGES


def _item(file: Path, key: str, path: Path, identity: IdentityKey) -> dict[str, Any]:
    names = read_dicom_names(path)
    patient = f"new:{names.patient}" if names is not None and names.patient else key
    return {
        "image": str(file.absolute()),
        "sample_id": identity.identify(key),
        "group_id": identity.identify(patient),
    }


def _table(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _section_films(items: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    causes = {item["image"]: _defect(Path(item["image"])) for item in items}
    broken = {image: cause for image, cause in sorted(causes.items()) if cause}
    return [item for item in items if item["image"] not in broken], broken


def _defect(path: Path) -> str:
    """Why a prepared film cannot be read; a file that is shorter than its header says is noticed."""
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
