"""A simulated cohort of slides on disk, with a table of labels and the places of the lesions."""

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

from ...atomic import atomic_write, atomic_write_json, atomic_write_text
from ..cohort_folder import check_counts, open_cohort
from .options import CLASS_NAMES, SlideSimulation
from .pyramid import picture_levels, write_pyramid
from .section import SimulatedSlide, simulate_slide

__all__ = ["simulate_slides"]

_FORMAT = "monai_memvit-simulated-slides/1"
_NOTE = "SIMULATED: not a patient"
_README = """\
SIMULATED: no patient is shown in this folder.

Every slide was computed from equations and random numbers (monai_memvit, `simulate slides`); cohort.json holds the
settings. labels.csv says which slides have a lesion, truth/ where (GeoJSON in level-0 pixels: drag it onto the slide in
QuPath). Good for demos and tests; no ground for any statement about patients.
"""
_COLOURS = {"lesion": (200, 0, 0), "inflammation": (0, 100, 200), "pen": (30, 60, 220), "blur": (230, 140, 0)}


def simulate_slides(
    out: str | os.PathLike[str],
    patients: int = 24,
    seed: int = 0,
    options: SlideSimulation | None = None,
    progress: bool = False,
) -> Path:
    """Simulate a cohort of H&E slides, some with a lesion of known place, and write it.

    ``out`` holds ``slides/sim-0001-1.tif`` and so on (tiled pyramids), ``truth/sim-0001-1.geojson`` with the regions,
    and ``labels.csv`` (slide, patient, label), as ``prepare slides OUT/slides … --labels OUT/labels.csv`` reads it.
    Files appear once they are complete; a second call with the same settings, or more patients, goes on.

    Args:
        out: folder to write to; new, empty, or of the same cohort.
        patients: number of patients, at least 1.
        seed: of everything, non-negative; the same seed gives the same bits.
        options: how the slides are made; None: ``SlideSimulation()``.
        progress: whether to show a bar on stderr.

    Returns:
        The folder.

    Raises:
        ValueError: for numbers out of range, or a folder that holds something else.
    """
    options = options or SlideSimulation()
    check_counts(patients, seed)
    out = Path(out)
    open_cohort(out, {"format": _FORMAT, "note": _NOTE, "seed": seed, "options": asdict(options)}, _README)
    for folder in ("slides", "truth"):
        (out / folder).mkdir(exist_ok=True)
    wanted = [(patient, number) for patient in range(patients) for number in range(options.slides)]
    for patient, number in tqdm(wanted, desc="simulate slides", unit="slide", disable=not progress):
        name = f"sim-{patient + 1:04d}-{number + 1}"
        if not (out / "truth" / f"{name}.geojson").exists():
            _write_slide(out, name, simulate_slide(patient, seed, number, options), options.mpp)
    _write_labels(out)
    return out


def _write_slide(out: Path, name: str, slide: SimulatedSlide, mpp: float) -> None:
    """The picture, then its truth, which tells that both are there."""
    with atomic_write(out / "slides" / f"{name}.tif") as file:
        write_pyramid(file, picture_levels(slide.pixels), mpp, _NOTE)
    truth = {
        "type": "FeatureCollection",
        "note": _NOTE,
        "slide": f"{name}.tif",
        "patient": f"SIM-{slide.patient + 1:04d}",
        "label": CLASS_NAMES[slide.label],
        "tissue_pixels": slide.tissue_pixels,
        "lesion_pixels": slide.lesion_pixels,
        "features": [_feature(kind, vertices) for kind, vertices in slide.regions],
    }
    atomic_write_json(out / "truth" / f"{name}.geojson", truth)


def _feature(kind: str, vertices: np.ndarray) -> dict[str, Any]:
    ring = np.round(np.concatenate([vertices, vertices[:1]]), 2).tolist()
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "objectType": "annotation",
            "classification": {"name": kind, "color": list(_COLOURS[kind])},
        },
    }


def _write_labels(out: Path) -> None:
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["slide", "patient", "label"])
    for path in sorted((out / "truth").glob("sim-*.geojson")):
        truth = json.loads(path.read_text(encoding="utf-8"))
        rows.writerow([truth["slide"], truth["patient"], truth["label"]])
    atomic_write_text(out / "labels.csv", table.getvalue())
