"""A simulated film: known findings at known places, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_memvit.data.simulate.radiographs import RadiographSimulation, simulate_film
from monai_memvit.data.simulate.radiographs.film import films_of
from monai_memvit.data.simulate.radiographs.options import FINDINGS
from monai_memvit.data.simulate.radiographs.scanners import PORTABLE, SCANNERS


def area_means(image: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = (length // factor for length in image.shape)
    return image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean(axis=(1, 3))


def test_same_arguments_same_bits(small: RadiographSimulation) -> None:
    first, second = (simulate_film(3, 1, 0, small) for _ in range(2))
    np.testing.assert_array_equal(first.display, second.display)
    assert first.boxes == second.boxes and first.truth == second.truth and first.scanner == second.scanner
    for other in (simulate_film(4, 1, 0, small), simulate_film(3, 2, 0, small), simulate_film(3, 1, 1, small)):
        assert other.display.shape != first.display.shape or not np.array_equal(other.display, first.display)


def test_a_film_is_grey_from_black_to_white_and_as_large_as_asked(small: RadiographSimulation) -> None:
    for patient in range(8):
        film = simulate_film(patient, 0, 0, small)
        assert film.display.dtype == np.float32 and max(film.display.shape) == small.size
        assert film.spacing == pytest.approx(max(film.scanner.field_mm) / small.size, abs=1e-6)
        assert -0.2 < film.display.min() and film.display.max() < 1.3
        assert np.isfinite(film.display).all() and film.display.std() > 0.15


def test_prevalence_decides(small: RadiographSimulation) -> None:
    for patient in range(4):
        assert not any(simulate_film(patient, 0, 0, replace(small, prevalence=0.0)).truth.values())
        full = simulate_film(patient, 0, 0, replace(small, prevalence=1.0))
        assert all(full.truth.values()) and tuple(full.truth) == FINDINGS == tuple(full.boxes)


def test_boxes_lie_in_the_film_and_hold_what_the_finding_changes() -> None:
    options = RadiographSimulation(size=128, noise=0.0)
    compared = 0
    for patient in range(24):
        with_it = simulate_film(patient, 5, 0, options)
        if list(with_it.boxes) not in (["nodule"], ["consolidation"], ["effusion"]):
            continue
        without = simulate_film(patient, 5, 0, replace(options, prevalence=0.0))
        change = np.abs(with_it.display - without.display)
        left, top, width, height = next(iter(with_it.boxes.values()))
        rows, columns = with_it.display.shape
        assert 0 <= left < left + width <= columns and 0 <= top < top + height <= rows
        inside = np.zeros_like(change, bool)
        inside[int(top) - 2 : int(top + height) + 3, int(left) - 2 : int(left + width) + 3] = True
        assert change[inside].sum() > 0.9 * change.sum() > 0.0
        compared += 1
    assert compared >= 4


def test_a_nodule_fades_where_a_film_is_made_small() -> None:
    """Means over areas of 8 by 8 pixels, 224 a film, keep less than six tenths of its contrast."""
    options = RadiographSimulation(size=1792, noise=0.0, nodule_mm=(2.0, 2.5))
    tiny = replace(options, size=32)
    alone = {"consolidation": 0, "nodule": 1, "effusion": 0, "cardiomegaly": 0}
    patient = next(patient for patient in range(60) if simulate_film(patient, 0, 0, tiny).truth == alone)
    without = simulate_film(patient, 0, 0, replace(options, prevalence=0.0))
    change = simulate_film(patient, 0, 0, options).display - without.display
    assert 0.0 < area_means(change, 8).max() < 0.6 * change.max() and change.max() > 0.03


def test_the_patients_left_is_at_the_right_of_the_film() -> None:
    options = RadiographSimulation(size=256, prevalence=0.0, noise=0.0)
    for patient in range(6):
        film = simulate_film(patient, 0, 0, options)
        rows, columns = film.display.shape
        markers = np.argwhere(film.display[: rows // 3] == 1.0)
        assert len(markers) and markers[:, 1].min() > 0.8 * columns
        # More of the heart than of the lung is dense to the right of the spine, above the diaphragm.
        band = film.display[int(0.52 * rows) : int(0.60 * rows)]
        middle, reach, gap = columns // 2, int(70 / film.spacing), int(30 / film.spacing)
        assert band[:, middle + gap : middle + reach].mean() > band[:, middle - reach : middle - gap].mean()


def test_an_enlarged_heart_is_wide(small: RadiographSimulation) -> None:
    film = next(
        film for film in (simulate_film(patient, 0, 0, small) for patient in range(40)) if film.truth["cardiomegaly"]
    )
    _, _, width, _ = film.boxes["cardiomegaly"]
    assert 120.0 < width * film.spacing < 185.0


def test_a_shortcut_ties_findings_to_the_portable_scanner(small: RadiographSimulation) -> None:
    options = replace(small, shortcut=1.0)
    for patient in range(12):
        film = simulate_film(patient, 0, 0, options)
        assert (film.scanner is PORTABLE) == any(film.truth.values()) == (film.view == "AP")
    tiny = replace(small, size=32)
    assert {simulate_film(patient, 0, 0, tiny).scanner.model for patient in range(24)} == {
        one.model for one in SCANNERS
    }


def test_labels_can_be_uncertain_or_blank_while_the_truth_stays(small: RadiographSimulation) -> None:
    plain = simulate_film(0, 0, 0, small)
    assert plain.labels == plain.truth
    unsure = simulate_film(0, 0, 0, replace(small, uncertain=1.0))
    assert set(unsure.labels.values()) == {-1} and unsure.truth == plain.truth
    blank = simulate_film(0, 0, 0, replace(small, blank=1.0))
    assert set(blank.labels.values()) == {None}
    np.testing.assert_array_equal(blank.display, plain.display)


def test_a_patient_has_one_to_so_many_films(small: RadiographSimulation) -> None:
    assert {films_of(patient, 0, replace(small, films=3)) for patient in range(40)} == {1, 2, 3}
    assert {films_of(patient, 0, replace(small, films=1)) for patient in range(40)} == {1}


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="give 0 or more"):
        simulate_film(-1, 0)
