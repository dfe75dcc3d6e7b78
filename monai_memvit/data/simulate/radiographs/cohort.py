"""A simulated cohort of chest films on disk, with a table of labels and the places of the findings."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ...atomic import atomic_write_json, atomic_write_text
from ..cohort_folder import check_counts, open_cohort, whole_folder
from .film import SimulatedFilm, films_of, simulate_film
from .options import FINDINGS, RadiographSimulation

__all__ = ["simulate_radiographs"]

_FORMAT = "monai_memvit-simulated-radiographs/1"
_FILE_FORMATS = ("dicom", "png")
_NOTE = "SIMULATED: not a patient"
_README = """\
SIMULATED: no patient is shown in this folder.

Every chest, finding and film was computed from equations and random numbers (monai_memvit, `simulate radiographs`);
cohort.json holds the settings. labels.csv says per film what a reader would have noted (1, 0, -1 for uncertain, blank
for nothing), findings.json the truth with boxes in pixels. Good for demos and tests; no ground for any statement about
patients.
"""


def simulate_radiographs(
    out: str | os.PathLike[str],
    patients: int = 24,
    seed: int = 0,
    file_format: str = "dicom",
    options: RadiographSimulation | None = None,
    progress: bool = False,
) -> Path:
    """Simulate a cohort of frontal chest films with known findings, and write it.

    ``out`` holds ``films/sub-0001/film-1.dcm`` and so on, ``labels.csv`` (columns file, patient, view, and one for each
    finding) and ``findings.json``. Each patient's folder appears once it is complete; a second call with the same
    arguments, or more patients, goes on where the first one ended.

    Args:
        out: folder to write to; new, empty, or of the same cohort.
        patients: number of patients, at least 1.
        seed: of everything, non-negative; the same seed gives the same bits.
        file_format: ``dicom`` (as each scanner writes them) or ``png`` (8-bit display values).
        options: how the films are made; None: ``RadiographSimulation()``.
        progress: whether to show a bar on stderr.

    Returns:
        The folder.

    Raises:
        ValueError: for numbers out of range, an unknown format, or a folder that holds something else.
    """
    options = options or RadiographSimulation()
    check_counts(patients, seed)
    if file_format not in _FILE_FORMATS:
        raise ValueError(f"file_format {file_format!r}: choose one of {', '.join(_FILE_FORMATS)}")
    out = Path(out)
    cohort = {"format": _FORMAT, "note": _NOTE, "seed": seed, "file_format": file_format, "options": asdict(options)}
    open_cohort(out, cohort, _README)
    (out / "films").mkdir(exist_ok=True)
    for patient in tqdm(range(patients), desc="simulate radiographs", unit="patient", disable=not progress):
        target = out / "films" / f"sub-{patient + 1:04d}"
        if not target.exists():
            with whole_folder(target) as folder:
                _write_patient(folder, patient, seed, file_format, options)
    _write_tables(out)
    return out


def _write_patient(folder: Path, patient: int, seed: int, file_format: str, options: RadiographSimulation) -> None:
    films = []
    for number in range(films_of(patient, seed, options)):
        film = simulate_film(patient, seed, number, options)
        path = folder / f"film-{number + 1}.{'dcm' if file_format == 'dicom' else 'png'}"
        if file_format == "dicom":
            # Imported here: it waits for MONAI and pydicom, which pictures do without.
            from .dicom_film import write_dicom_film

            write_dicom_film(film, path, seed)
        else:
            _write_png(film, path)
        films.append(_record(film, path.name))
    atomic_write_json(folder / "truth.json", {"note": _NOTE, "films": films})


def _write_png(film: SimulatedFilm, path: Path) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Comment", _NOTE)
    Image.fromarray(np.rint(np.clip(film.display, 0.0, 1.0) * 255).astype(np.uint8)).save(path, pnginfo=note)


def _record(film: SimulatedFilm, name: str) -> dict[str, Any]:
    rows, columns = film.display.shape
    boxes = [
        {"finding": finding, **dict(zip(("x", "y", "width", "height"), (round(value, 3) for value in box)))}
        for finding, box in film.boxes.items()
    ]
    return {
        "file": name,
        "patient": f"SIM-{film.patient + 1:04d}",
        "view": film.view,
        "scanner": film.scanner.model,
        "rows": rows,
        "columns": columns,
        "spacing_mm": film.spacing,
        "findings": film.truth,
        "labels": film.labels,
        "boxes": boxes,
    }


def _write_tables(out: Path) -> None:
    films: list[dict[str, Any]] = []
    for path in sorted((out / "films").glob("sub-*/truth.json")):
        for film in json.loads(path.read_text(encoding="utf-8"))["films"]:
            films.append({**film, "file": f"films/{path.parent.name}/{film['file']}"})
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["file", "patient", "view", *FINDINGS])
    for film in films:
        labels = ("" if film["labels"][name] is None else film["labels"][name] for name in FINDINGS)
        rows.writerow([film["file"], film["patient"], film["view"], *labels])
    convention = "x and y of the upper left corner, width and height, in pixels of the film; pixel (0, 0) covers 0 to 1"
    content = {"note": _NOTE, "boxes": convention, "films": [_without(film, "labels") for film in films]}
    atomic_write_json(out / "findings.json", content)
    atomic_write_text(out / "labels.csv", table.getvalue())


def _without(film: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in film.items() if key != name}
