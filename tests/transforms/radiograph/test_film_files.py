from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph import DisplayError, display_values, film_files, read_film

MakeFilm = Callable[..., Dataset]
SaveFilm = Callable[[Dataset, Path], Path]
Window = Callable[[float, str, float, float], float]


def test_a_film(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    film = make_film(PhotometricInterpretation="MONOCHROME1")
    found = read_film(save_film(film, tmp_path / "film"))
    np.testing.assert_array_equal(found.values, display_values(film))


def test_bytes_tell_a_picture_not_the_suffix(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "film.dcm", "PNG")
    assert read_film(tmp_path / "film.dcm").values.shape == (3, 4)


@pytest.mark.parametrize("window", [-1, 1.5, "", None, True])
def test_a_window_that_no_film_can_have(tmp_path: Path, window: Any) -> None:
    with pytest.raises(ValueError, match="window="):
        read_film(tmp_path / "film.dcm", window=window)


def test_a_modality_may_be_asked_for(make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path) -> None:
    path = save_film(make_film(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT"), tmp_path / "film")
    with pytest.raises(DisplayError, match="modality OT"):
        read_film(path)
    assert read_film(path, modalities=("OT",)).values.shape == (6, 5)
    assert read_film(path, modalities=None).values.shape == (6, 5)


def bad_files(folder: Path, whole: bytes) -> Iterator[Path]:
    picture = folder / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)).save(picture)
    for name, data in {
        "empty": b"",
        "text": b"not a film",
        "preamble": b"\0" * 128 + b"DICM",
        "half": whole[: len(whole) // 2],
        "nearly": whole[:-5],
        "png": picture.read_bytes()[:300],
        "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    }.items():
        path = folder / name
        path.write_bytes(data)
        yield path
    yield folder
    yield folder / "absent"


def test_every_bad_file_is_named_and_nothing_warns(
    make_film: MakeFilm, save_film: SaveFilm, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    for path in bad_files(tmp_path, save_film(make_film(), tmp_path / "film").read_bytes()):
        with pytest.raises(DisplayError) as error:
            read_film(path)
        assert str(error.value).startswith(f"{path}: ")
    assert not recwarn


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_picture_that_is_cut_off_is_called_so(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "film"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90)).astype(np.uint8)).save(path, kind)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(DisplayError, match="cut off or damaged .*: export it again"):
        read_film(path)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied"), r"cannot be read \(Permission denied\): check permissions"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_the_film_is_not_blamed_for_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fails(path: Path) -> bool:
        raise error

    monkeypatch.setattr(film_files, "is_picture", fails)
    with pytest.raises(DisplayError, match=said):
        read_film(tmp_path / "film")


def expected_of(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """Highdicom's transform; where nothing is windowed it does not scale, and the range of the bits is spread."""
    image = pytest.importorskip("highdicom.image")
    transform = image._CombinedPixelTransform(dataset, apply_voi_transform=None, apply_presentation_lut=True)
    values = transform(stored)
    if "WindowWidth" in dataset and dataset.WindowWidth is not None or "VOILUTSequence" in dataset:
        return np.asarray(values)
    if "ModalityLUTSequence" in dataset:
        return np.asarray(values / (2 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1))
    low = -(2 ** (dataset.BitsStored - 1)) if dataset.PixelRepresentation else 0
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return np.asarray(((values - intercept) / slope - low) / (2**dataset.BitsStored - 1))


def departs(dataset: Dataset) -> bool:
    """Where highdicom 0.28 is known to leave the standard: LINEAR behind a slope, tables of other bits."""
    slope = float(dataset.get("RescaleSlope") or 1)
    tables = [item.LUTDescriptor[2] for item in dataset.get("VOILUTSequence", [])]
    return ("WindowWidth" in dataset and slope != 1) or any(bits not in (8, 16) for bits in tables)


def by_the_standard(dataset: Dataset, stored: np.ndarray, window: Window) -> np.ndarray:
    """The departing cases, value by value: a LINEAR window behind a rescale, or a VOI LUT alone."""
    if "VOILUTSequence" in dataset:
        count, first, bits = dataset.VOILUTSequence[0].LUTDescriptor
        entries = np.array(dataset.VOILUTSequence[0].LUTData) / (2**bits - 1)
        return np.asarray(entries[np.clip(stored.astype(int) - first, 0, count - 1)])
    centre, width = (float(np.atleast_1d(dataset[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    values = stored * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    shown = np.vectorize(lambda x: window(x, "LINEAR", centre, width), otypes=[float])(values)
    return np.asarray(1 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown)


def check_against_highdicom(path: Path, window: Window) -> str:
    """Whether a file is shown as by highdicom: equal, or as by the standard where that departs, or refused."""
    try:
        film = read_film(path, modalities=None)
    except DisplayError:
        return "refused"
    dataset = dcmread(path)
    stored = dataset.pixel_array
    expected = by_the_standard(dataset, stored, window) if departs(dataset) else expected_of(dataset, stored)
    if film.padding is not None:
        expected = np.where(film.padding, 0, expected)
    np.testing.assert_allclose(film.values, expected, rtol=0, atol=1e-6, err_msg=str(path))
    return "departs" if departs(dataset) else "equal"


@pytest.mark.slow
def test_every_file_of_pydicom_is_equal_to_highdicom_or_refused(standard_window: Window) -> None:
    paths = [Path(name) for name in get_testdata_files() if Path(name).is_file()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {path.name: check_against_highdicom(path, standard_window) for path in paths}
    grey = {name for name, result in found.items() if result != "refused"}
    assert len(grey) >= 20
    assert {"MR_small.dcm", "CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "image_dfl.dcm"} <= grey


@pytest.mark.slow
def test_real_films_are_equal_to_highdicom(shared_data: Path, standard_window: Window) -> None:
    folder = shared_data / "cxr_dicom"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {path.name: check_against_highdicom(path, standard_window) for path in sorted(folder.glob("*.dcm"))}
    assert set(found.values()) == {"equal"}, found
