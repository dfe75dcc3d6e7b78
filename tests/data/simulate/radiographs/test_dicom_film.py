"""A film as its scanner writes it shows, by the standard, what was simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_memvit.data.simulate.radiographs import RadiographSimulation, simulate_film
from monai_memvit.data.simulate.radiographs.expected import expected_display, stored_values
from monai_memvit.data.simulate.radiographs.scanners import SCANNERS, Scanner

pydicom = pytest.importorskip("pydicom")


def scanned(scanner: Scanner, options: RadiographSimulation) -> tuple[np.ndarray, object]:
    from monai_memvit.data.simulate.radiographs.dicom_film import film_dataset

    film = replace(simulate_film(0, 0, 0, options), scanner=scanner)
    return film.display, film_dataset(film, 0)


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.model)
def test_display_values_come_back(scanner: Scanner, small: RadiographSimulation) -> None:
    display, data = scanned(scanner, small)
    cells = np.frombuffer(data.PixelData, np.uint8 if data.BitsAllocated == 8 else "<u2")[: display.size]
    stored = stored_values(cells.reshape(display.shape), data.BitsStored, data.HighBit, False)
    most = 0.005 if scanner.voi == "sigmoid" else 1.5 / 2 ** min(scanner.bits - 1, 10)
    np.testing.assert_allclose(expected_display(data, stored), np.clip(display, 0.0, 1.0), atol=most)


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.model)
def test_attributes_are_those_of_the_scanner(scanner: Scanner, small: RadiographSimulation) -> None:
    _, data = scanned(scanner, small)
    assert data.SOPClassUID.name.startswith("Computed" if scanner.modality == "CR" else "Digital X-Ray Image Storage")
    assert data.PatientOrientation == ["L", "F"] and data.ManufacturerModelName == scanner.model
    assert data.Manufacturer == "SIMULATED" and data.ImageComments == "SIMULATED: not a patient"
    assert ("PixelSpacing" in data) == (scanner.spacing != "ImagerPixelSpacing")
    assert ("ImagerPixelSpacing" in data) == (scanner.spacing != "PixelSpacing")
    assert data.get("PresentationLUTShape") == scanner.shape


def test_identifiers_are_valid_and_of_the_film_alone(small: RadiographSimulation) -> None:
    from monai_memvit.data.simulate.radiographs.dicom_film import film_dataset

    films = [film_dataset(simulate_film(0, 0, number, small), 0) for number in (0, 1, 0)]
    assert films[0].SOPInstanceUID == films[2].SOPInstanceUID != films[1].SOPInstanceUID
    assert films[0].PatientID == films[1].PatientID == "SIM-0001"
    assert all(film.SOPInstanceUID.is_valid for film in films)
