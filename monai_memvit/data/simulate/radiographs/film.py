"""One simulated chest film: what a display shall show, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import expit

from .findings import Box, Findings
from .options import FINDINGS, RadiographSimulation
from .scanners import PORTABLE, SCANNERS, Scanner
from .shapes import Plane, add_rod, enlarge
from .thorax import Thorax

__all__ = ["PixelBox", "SimulatedFilm", "films_of", "simulate_film"]

# Every purpose has a stream of random numbers of its own, so that no option shifts the numbers of another.
_CHEST, _FINDINGS, _SCANNER, _DETECTOR, _LABELS, _COUNT = range(6)
_FINEST_MM = 0.7  # of the anatomy: what is smaller is drawn on the film's own pixels
_DARKEST, _BRIGHTEST = 0.3, 5.0  # attenuation shown as black and white

PixelBox = tuple[float, float, float, float]  # left, top, width and height in pixels


@dataclass(frozen=True)
class SimulatedFilm:
    """A simulated film.

    Args:
        patient: number of the patient, from 0.
        number: of the film among the patient's, from 0.
        view: PA or AP.
        display: float32 ``(rows, columns)``, 0 black to 1 white; some values lie a little beyond, as a detector's do
            beyond the window.
        spacing: of pixels in mm.
        scanner: that took it.
        truth: 0 or 1 by finding.
        labels: what the table says by finding: 0, 1, -1 for uncertain, None for nothing.
        boxes: left, top, width and height in pixels by finding; pixel (0, 0) covers 0 to 1.
    """

    patient: int
    number: int
    view: str
    display: np.ndarray
    spacing: float
    scanner: Scanner
    truth: dict[str, int]
    labels: dict[str, int | None]
    boxes: dict[str, PixelBox]


def films_of(patient: int, seed: int, options: RadiographSimulation) -> int:
    """Number of films of a patient.

    Args:
        patient: number of the patient, from 0.
        seed: of the cohort.
        options: with the largest number.
    """
    return int(np.random.default_rng([seed, patient, _COUNT]).integers(1, options.films + 1))


def simulate_film(
    patient: int, seed: int, number: int = 0, options: RadiographSimulation | None = None
) -> SimulatedFilm:
    """Simulate one frontal chest film.

    The same arguments give the same bits; a film does not depend on how many others there are. The films of a patient
    show one chest; findings come and go between them.

    Args:
        patient: number of the patient, from 0.
        seed: of the cohort, non-negative.
        number: of the film among the patient's, from 0.
        options: how it is made; None: ``RadiographSimulation()``.

    Returns:
        The film, and the truth.

    Raises:
        ValueError: for a negative number.
    """
    if min(patient, seed, number) < 0:
        raise ValueError(f"patient is {patient}, seed {seed} and number {number}: give 0 or more")
    options = options or RadiographSimulation()

    def stream(purpose: int) -> np.random.Generator:
        return np.random.default_rng([seed, patient, purpose, *([] if purpose == _CHEST else [number])])

    findings = Findings.draw(Thorax.draw(stream(_CHEST)), options, stream(_FINDINGS))
    truth = findings.truth()
    scanner = _choose_scanner(any(truth.values()), options.shortcut, stream(_SCANNER))
    plane = _plane(scanner, options.size)
    display = _expose(findings, scanner, plane, options.noise, stream(_DETECTOR))
    boxes = {name: _pixels(box, plane) for name, box in findings.boxes(plane.coarser(_FINEST_MM)).items()}
    labels = _labels(truth, options, stream(_LABELS))
    view = "AP" if scanner is PORTABLE else "PA"
    return SimulatedFilm(patient, number, view, display, plane.spacing, scanner, truth, labels, boxes)


def _choose_scanner(finding: bool, shortcut: float, rng: np.random.Generator) -> Scanner:
    tied, chosen = rng.random() < shortcut, int(rng.integers(len(SCANNERS)))
    if tied:
        return PORTABLE if finding else SCANNERS[chosen % (len(SCANNERS) - 1)]
    return SCANNERS[chosen]


def _plane(scanner: Scanner, size: int) -> Plane:
    spacing = round(max(scanner.field_mm) / size, 6)
    rows, columns = (round(length / spacing) for length in scanner.field_mm)
    return Plane(rows, columns, spacing)


def _expose(findings: Findings, scanner: Scanner, plane: Plane, noise: float, rng: np.random.Generator) -> np.ndarray:
    coarse = plane.coarser(_FINEST_MM)
    image = findings.thorax.attenuation(coarse, findings.air(coarse))
    image = enlarge(image, plane.rows, plane.columns)
    if findings.nodule:
        findings.nodule.add(image, plane)
    image = ndimage.gaussian_filter(image, scanner.blur_mm / plane.spacing)
    # Quanta: fewer arrive behind much tissue, and in a small pixel.
    deviation = np.exp(np.minimum(image, _BRIGHTEST) / 2) * np.float32(scanner.noise * noise * 0.4 / plane.spacing)
    image += np.minimum(deviation, 1.0) * rng.standard_normal(image.shape, dtype=np.float32)
    display = _curve(image, scanner)
    _add_marker(display, plane)
    _add_border(display, scanner, plane, rng)
    return display


def _curve(image: np.ndarray, scanner: Scanner) -> np.ndarray:
    """Grey of an attenuation: an S from black to white."""
    middle, width = scanner.contrast
    low, high = (float(expit((end - middle) / width)) for end in (_DARKEST, _BRIGHTEST))
    return ((expit((image - middle) / width) - low) / (high - low)).astype(np.float32)


def _add_marker(display: np.ndarray, plane: Plane) -> None:
    """An L of lead at the patient's left, at the right of the film."""
    x, y = -float(plane.x[0, 0]) - 34.0, float(plane.y[0, 0]) + 60.0
    for ends in (((x, y), (x, y + 16.0)), ((x, y + 16.0), (x + 9.0, y + 16.0))):
        lead = np.zeros_like(display)
        add_rod(lead, plane, ends, max(1.6, plane.spacing), 1.0)
        display[lead > 0.3] = 1.0


def _add_border(display: np.ndarray, scanner: Scanner, plane: Plane, rng: np.random.Generator) -> None:
    top, bottom, left, right = (int(width / plane.spacing) for width in rng.uniform(0.0, scanner.border_mm, 4))
    display[:top] = display[len(display) - bottom :] = 0.0
    display[:, :left] = display[:, display.shape[1] - right :] = 0.0


def _pixels(box: Box, plane: Plane) -> PixelBox:
    """A box in pixels of the film, cut to it."""
    rows, columns = plane.rows, plane.columns
    left, right = (float(np.clip(x / plane.spacing + columns / 2, 0, columns)) for x in (box[0], box[2]))
    top, bottom = (float(np.clip(y / plane.spacing + rows / 2, 0, rows)) for y in (box[1], box[3]))
    return left, top, right - left, bottom - top


def _labels(truth: dict[str, int], options: RadiographSimulation, rng: np.random.Generator) -> dict[str, int | None]:
    labels: dict[str, int | None] = {}
    for name, chance in zip(FINDINGS, rng.random(len(FINDINGS)).tolist()):
        if chance < options.uncertain:
            labels[name] = -1
        else:
            labels[name] = None if chance < options.uncertain + options.blank else truth[name]
    return labels
