"""DICOM slides: pixels against pydicom's own decoding, and series that are not whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.slides import SlideError, open_slide

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("wsidicom")


@pytest.fixture
def series(wsi: Path, tmp_path: Path) -> Path:
    """A copy of the series of eight levels, to take things away from."""
    return Path(shutil.copytree(wsi / "dicom_multi_level_bpaec", tmp_path / "series", copy_function=_copy))


def _copy(source: str, target: str) -> str:
    return str(shutil.copyfile(source, target))


def test_a_colour_slide_reads_as_its_frames(wsi: Path) -> None:
    frames = pydicom.dcmread(wsi / "dicom_jpeg2000" / "camelyon.dcm").pixel_array
    whole = frames.reshape(4, 7, 256, 256, 3).transpose(0, 2, 1, 3, 4).reshape(1024, 1792, 3)[:812, :1696]
    reader = open_slide(wsi / "dicom_jpeg2000")
    assert reader.size == (1696, 812)
    assert reader.mpp == pytest.approx((28.969, 28.968))
    np.testing.assert_array_equal(reader.read(200, 150, 400, 300), whole[150:450, 200:600])
    corner = reader.read(1600, 800, 200, 100)
    np.testing.assert_array_equal(corner[:12, :96], whole[800:, 1600:])
    assert (corner[12:] == 255).all() and (corner[:, 96:] == 255).all()


def test_three_optical_paths_are_red_green_and_blue(wsi: Path) -> None:
    frames = pydicom.dcmread(wsi / "dicom_multi_level_bpaec" / "8_0").pixel_array
    reader = open_slide(wsi / "dicom_multi_level_bpaec" / "8_0")
    assert [round(level.downsample) for level in reader.levels] == [1, 2, 4, 8, 16, 32, 64, 128]
    region = reader.read(0, 0, 384, 288, 3)
    np.testing.assert_array_equal(region, frames[:, :288, :384].transpose(1, 2, 0))
    assert reader.fluorescence
    reader.check_whole()


def test_a_missing_level_is_noted_and_the_rest_reads_alike(wsi: Path, series: Path) -> None:
    (series / "7_0").unlink()
    reader, whole = open_slide(series), open_slide(wsi / "dicom_multi_level_bpaec")
    assert "a level is missing between the downsamples 2 and 8" in reader.notes
    np.testing.assert_array_equal(reader.read(800, 640, 30, 30, 2), whole.read(800, 640, 30, 30, 3))


def test_a_level_cut_off_is_an_error(series: Path) -> None:
    content = (series / "5_0").read_bytes()
    (series / "5_0").write_bytes(content[: len(content) // 2])
    with pytest.raises(SlideError, match="series.*(cut off|damaged)"):
        open_slide(series).check_whole()


def test_a_damaged_header_is_an_error_that_names_the_file(series: Path) -> None:
    (series / "6_0").write_bytes((series / "6_0").read_bytes()[:900])
    with pytest.raises(SlideError, match="6_0"):
        open_slide(series)


def test_labels_alone_are_no_slide(series: Path) -> None:
    for path in series.glob("*_0"):
        path.unlink()
    with pytest.raises(SlideError, match="no VOLUME image"):
        open_slide(series)


def test_a_folder_of_two_series_wants_a_file_to_be_named(wsi: Path, series: Path) -> None:
    shutil.copyfile(wsi / "dicom_jpeg2000" / "camelyon.dcm", series / "camelyon.dcm")
    with pytest.raises(SlideError, match="holds 2 series"):
        open_slide(series)
    assert open_slide(series / "camelyon.dcm").size == (1696, 812)
    assert open_slide(series / "10_0").size == (3072, 2304)


def test_a_damaged_file_among_several_series_costs_itself_only(wsi: Path, series: Path) -> None:
    shutil.copyfile(wsi / "dicom_jpeg2000" / "camelyon.dcm", series / "camelyon.dcm")
    (series / "damaged.dcm").write_bytes((series / "camelyon.dcm").read_bytes()[:900])
    assert open_slide(series / "camelyon.dcm").size == (1696, 812)
    with pytest.raises(SlideError, match=r"damaged\.dcm: its DICOM header"):
        open_slide(series / "damaged.dcm")


def test_frames_in_no_told_order_are_refused(wsi: Path) -> None:
    """Its frames run down the columns, and nothing in the file says so: read by the standard it would be scrambled."""
    with pytest.raises(SlideError, match="Image Type"):
        open_slide(wsi / "dicom_single_level")
