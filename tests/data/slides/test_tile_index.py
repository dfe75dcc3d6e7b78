"""The file of a slide's tiles: whole, the same bytes, and what is no such file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from monai_memvit.data.slides import TileIndex
from monai_memvit.data.slides.tile_index import COLUMNS, FLAGS


@pytest.fixture
def index() -> TileIndex:
    random = np.random.default_rng(0)
    table = {name: random.integers(0, 31, 50).astype(kind) for name, kind in COLUMNS.items()}
    table["blur_um"][:3] = np.nan
    header = {
        "format": "monai_memvit-tiles/1",
        "slide": {"name": "a.svs", "path": "/slides/a.svs", "mpp": [0.25, 0.3]},
        "grid": {"mpp": 0.5, "tile": 256, "overlap": 0, "level": 1},
    }
    return TileIndex(header, table)


def test_what_is_saved_is_loaded(index: TileIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "a.parquet")
    again = TileIndex.load(tmp_path / "a.parquet")
    assert again.header == index.header
    for name, kind in COLUMNS.items():
        assert again.table[name].dtype == kind
        np.testing.assert_array_equal(again.table[name], index.table[name])
    assert (len(again), again.tile, again.mpp_target, again.level) == (50, 256, 0.5, 1)
    assert again.slide_path == Path("/slides/a.svs")


def test_the_same_index_is_the_same_bytes(index: TileIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "a.parquet")
    turned = {name: index.header[name] for name in reversed(index.header)}
    TileIndex(turned, dict(reversed(index.table.items()))).save(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_other_programs_read_it(index: TileIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "a.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == list(COLUMNS)
    np.testing.assert_array_equal(table["x"].to_numpy(), index.table["x"])


def test_centres_in_micrometres(index: TileIndex) -> None:
    expected = [
        ((x + w / 2) * 0.25, (y + h / 2) * 0.3)
        for x, y, w, h in zip(*(index.table[name].tolist() for name in ("x", "y", "width", "height")), strict=True)
    ]
    np.testing.assert_array_equal(index.positions_um(), expected)


def test_flags_by_name(index: TileIndex) -> None:
    flags = index.table["flags"].tolist()
    np.testing.assert_array_equal(index.flagged("pen", "blur"), [f & 2 > 0 or f & 8 > 0 for f in flags])
    np.testing.assert_array_equal(index.flagged(), [f > 0 for f in flags])
    assert sum(FLAGS.values()) == 31
    with pytest.raises(ValueError, match="'ink' is unknown"):
        index.flagged("ink")


def test_columns_of_one_length(index: TileIndex) -> None:
    with pytest.raises(ValueError, match="missing: \\['x'\\]"):
        TileIndex({}, {name: values for name, values in index.table.items() if name != "x"})
    with pytest.raises(ValueError, match="of one length"):
        TileIndex({}, index.table | {"x": np.zeros(3, np.int64)})


def test_what_is_no_index_is_named(index: TileIndex, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(ValueError, match="a.parquet does not exist"):
        TileIndex.load(path)
    path.write_bytes(b"PAR1 or not")
    with pytest.raises(ValueError, match="a.parquet is no tile index"):
        TileIndex.load(path)
    pyarrow.parquet.write_table(pyarrow.table({"x": [1, 2]}), path)
    with pytest.raises(ValueError, match="a.parquet is no tile index"):
        TileIndex.load(path)
    index.save(path)
    path.write_bytes(path.read_bytes().replace(b"flags", b"\xfflags", 1))  # no name in UTF-8
    with pytest.raises(ValueError, match="a.parquet is no tile index"):
        TileIndex.load(path)
    TileIndex(index.header | {"format": "monai_memvit-tiles/0"}, index.table).save(path)
    with pytest.raises(ValueError, match="has format 'monai_memvit-tiles/0'"):
        TileIndex.load(path)
