"""The benchmark of slides on a small one; how long anything takes is no matter here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.benchmarks.slides import slides
from monai_memvit.benchmarks.slides.slides_large import slide_content, write_large_slide
from monai_memvit.benchmarks.slides.slides_timing import measure_reading, measure_workers, regions

openslide = pytest.importorskip("openslide")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = np.random.default_rng(0).integers(100, 255, (512, 256, 3), np.uint8)
    path = tmp_path_factory.mktemp("large") / "large.tif"
    write_large_slide(path, content, 0.5, (3000, 2100), (1, 4))
    return path


def test_a_large_slide_repeats_its_content(large: Path) -> None:
    slide = openslide.OpenSlide(large)
    assert slide.level_dimensions == ((3000, 2100), (750, 525))
    one, other = (np.asarray(slide.read_region(place, 0, (256, 512))) for place in ((0, 0), (256 * 5, 512 * 2)))
    np.testing.assert_array_equal(one, other)
    assert float(slide.properties["openslide.mpp-x"]) == 0.5


def test_content_of_a_slide_is_its_middle(large: Path) -> None:
    content, mpp = slide_content(str(large))
    assert content.shape == (2048, 2048, 3) and mpp == 0.5
    expected = openslide.OpenSlide(large).read_region(((3000 - 2048) // 2, (2100 - 2048) // 2), 0, (64, 64))
    np.testing.assert_array_equal(content[:64, :64], np.asarray(expected)[..., :3])


def test_regions_are_a_grid_in_the_middle(large: Path) -> None:
    index = regions(large, 256, 25)
    assert len(index) == 22 and index.level == 0  # 11 columns, 2 rows
    assert index.table["x"].min() == (3000 - 11 * 256) // 2 and len(set(index.table["y"].tolist())) == 2
    assert regions(large, 128, 8, 512).level == 1 and regions(large, 128, 8, 512).mpp_target == 2.0
    with pytest.raises(ValueError, match="take smaller ones"):
        regions(large, 4096, 8)


def test_every_arm_is_timed(large: Path) -> None:
    found = measure_reading(large, 128, 8, 2)
    assert found["tiles"] == 8 and found["ours_over"]["ours"]["median"] == 1.0
    assert len(found["per_second"]) == 5 and all(rate > 0 for rate in found["per_second"].values())
    workers = measure_workers(large, 128, 8, 1)
    assert set(workers["per_second"]) == {"1", "2"} and workers["of_linear"] > 0


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    slides.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.slow
def test_the_whole_benchmark_on_a_small_slide(tmp_path: Path, large: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--size", "4096", "4096", "--tiles", "8", "--rounds", "1", "--folder", str(tmp_path)]
    assert slides.run_benchmark(arguments(*words, "--json", str(tmp_path / "a.json"))) == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["mask"]["pyramid"]["size"] == [4096, 4096] and 0 < found["mask"]["pyramid"]["tissue"] < 1
    told = capsys.readouterr().out
    assert "MONAI WSIReader" in told and "of twice one" in told and "one level, 4096 x 4096" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "100", "4096"], "--size must be at least 2048"),
        (["--tiles", "0"], "--tiles must be at least 1"),
        (["--rounds", "0"], "--rounds must be at least 1"),
    ],
)
def test_numbers_out_of_range_are_told(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        slides.run_benchmark(arguments(*words))
