"""OME-TIFF heatmaps, read back by tifffile and by a plain XML parser."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_memvit.data.slides import save_heatmap_tiff
from monai_memvit.data.slides.heatmap_cells import heatmap_cells

NAMES = ["normal", "tumour", "weight"]
OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


@pytest.fixture
def index(make_index: Callable[..., Any]) -> Any:
    """150 x 94 cells and a bit: 3 levels."""
    return make_index((6020, 3770), (0.5, 0.4), tile=20, overlap=0)


def values_of(index: Any) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(3, len(index)))
    values[:, 7] = np.nan
    return values


def test_channels_and_levels_are_the_cells(index: Any, tmp_path: Path) -> None:
    values = values_of(index)
    save_heatmap_tiff(tmp_path / "a.ome.tif", index, values, NAMES)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert file.is_ome and len(file.series) == 1
        levels = [level.asarray() for level in file.series[0].levels]
        assert [len(page.aspage().subifds) for page in file.pages] == [2] * 3
    grid = index.header["grid"]
    assert levels[0].shape == (3, -(-3770 // grid["step_y"]), -(-6020 // grid["step_x"]))
    assert [level.shape for level in levels[1:]] == [(3, 38, 76), (3, 19, 38)]
    for channel in range(3):
        cells = heatmap_cells(index, values[channel])
        for level in levels:
            np.testing.assert_array_equal(level[channel], cells.means())
            cells = cells.halved()
    tile = 11
    row, column = index.table["row"][tile], index.table["column"][tile]
    assert levels[0][1, row, column] == np.float32(values[1, tile])
    assert levels[0].dtype == np.float32


def test_it_tells_its_scale_its_place_and_its_channels(index: Any, tmp_path: Path) -> None:
    save_heatmap_tiff(tmp_path / "a.ome.tif", index, values_of(index), NAMES, "815")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        root = ElementTree.fromstring(file.ome_metadata)
        horizontal, vertical = (file.pages[0].tags[name].value for name in ("XResolution", "YResolution"))
    pixels = root.find(f"{OME}Image/{OME}Pixels")
    assert pixels is not None and root.find(f"{OME}Image").attrib["Name"] == "815"  # type: ignore[union-attr]
    grid = index.header["grid"]
    assert float(pixels.attrib["PhysicalSizeX"]) == grid["step_x"] * 0.5
    assert float(pixels.attrib["PhysicalSizeY"]) == grid["step_y"] * 0.4
    assert pixels.attrib["PhysicalSizeXUnit"] == pixels.attrib["PhysicalSizeYUnit"] == "µm"
    assert pixels.attrib["Type"] == "float" and pixels.attrib["SizeC"] == "3"
    assert [channel.attrib["Name"] for channel in pixels.iter(f"{OME}Channel")] == NAMES
    places = [(p.attrib["PositionX"], p.attrib["PositionY"]) for p in pixels.iter(f"{OME}Plane")]
    assert [tuple(map(float, place)) for place in places] == [(0, 0)] * 3
    assert 1e4 * horizontal[1] / horizontal[0] == pytest.approx(grid["step_x"] * 0.5)
    assert 1e4 * vertical[1] / vertical[0] == pytest.approx(grid["step_y"] * 0.4)


def test_equal_values_give_equal_bytes(index: Any, tmp_path: Path) -> None:
    values = values_of(index)
    for name in "ab":
        save_heatmap_tiff(tmp_path / name, index, values.copy(), NAMES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    save_heatmap_tiff(tmp_path / "b", index, values + 1, NAMES)
    identities = []
    for name in "ab":
        with tifffile.TiffFile(tmp_path / name) as file:
            identities.append(ElementTree.fromstring(file.ome_metadata).attrib["UUID"])
    assert len(set(identities)) == 2


def test_a_small_slide_and_one_channel(make_index: Callable[..., Any], tmp_path: Path) -> None:
    index = make_index()
    save_heatmap_tiff(tmp_path / "a.ome.tif", index, np.arange(len(index), dtype=np.float32), ["evidence"])
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "a.ome.tif"), heatmap_cells(index, np.arange(len(index))).means()
    )


def test_names_and_values_must_fit(index: Any, tmp_path: Path) -> None:
    for values, names in ((values_of(index), NAMES[:2]), (values_of(index)[:, 1:], NAMES)):
        with pytest.raises(ValueError, match="values of a heatmap have shape"):
            save_heatmap_tiff(tmp_path / "a.ome.tif", index, values, names)
    assert not list(tmp_path.iterdir())


def test_no_half_file_is_left(index: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ome.tif"
    save_heatmap_tiff(path, index, values_of(index), NAMES)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_heatmap_tiff(path, index, values_of(index) + 1, NAMES)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
