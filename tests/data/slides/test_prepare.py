"""From a folder of slides to indices and a datalist: the same bytes however it went, and bad slides told."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_memvit.data import Datalist, load_section
from monai_memvit.data.slides import SlideOptions, TileIndex, TileOptions, prepare_slides, tile_index


def he_picture(seed: int) -> np.ndarray:
    """768x512 pixels of glass with a rectangle of something pink and rough."""
    generator = np.random.default_rng(seed)
    picture = np.full((512, 768, 3), (240, 238, 241), np.float64)
    picture[100:450, 150:700] = (190, 110, 165)
    picture[100:450, 150:700] += generator.normal(0, 12, (350, 550, 1))
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


OPTIONS = SlideOptions(TileOptions(tile=64, mpp_target=1.0))


@pytest.fixture
def source(write_pyramid: Callable[..., Path], tmp_path: Path) -> Path:
    """Four good slides and five bad ones."""
    folder = tmp_path / "slides"
    for number in range(4):
        write_pyramid(he_picture(number), f"good{number}.tif", folder=folder)
    write_pyramid(he_picture(9), "scaleless.tif", mpp=None, folder=folder)
    write_pyramid(np.full((512, 512, 3), 240, np.uint8), "glass.tif", folder=folder)
    shutil.copyfile(folder / "good1.tif", folder / "twin.tif")
    (folder / "empty.svs").write_bytes(b"")
    (folder / "other.vsi").write_bytes(b"of another vendor")
    cut = (folder / "good0.tif").read_bytes()
    (folder / "short.tif").write_bytes(cut[: len(cut) // 2])
    return folder


def digests(out: Path) -> dict[str, str]:
    """Path -> digest of every file, but for the secret."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "identity.key"
    }


def test_bad_slides_are_told_and_the_rest_is_done(source: Path, tmp_path: Path) -> None:
    report = prepare_slides(source, tmp_path / "out", OPTIONS, workers=0, progress=False)
    assert [slide.slide for slide in report.slides] == [f"good{number}.tif" for number in range(4)]
    causes = {problem.slide: problem.cause for problem in report.problems}
    for name, words in {
        "scaleless.tif": "--mpp",
        "glass.tif": "no tissue",
        "twin.tif": "good1.tif",
        "empty.svs": "is empty",
        "other.vsi": "of a format",
        "short.tif": "cut off",
    }.items():
        assert words in causes.pop(name)
    assert not causes
    for slide in report.slides:
        index = TileIndex.load(tmp_path / "out" / slide.folder / "tiles.parquet")
        assert len(index) == slide.tiles > 10
        assert (tmp_path / "out" / slide.folder / "thumbnail.png").is_file()
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    assert stored["problems"] == report.as_dict()["problems"]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "good3.tif" in text and "**empty.svs**" in text
    assert not (tmp_path / "out" / "datalist.json").exists()
    assert "4 slides" in str(report)


def test_the_same_bytes_for_any_number_of_workers(source: Path, tmp_path: Path) -> None:
    for name, workers in [("none", 0), ("two", 2)]:
        prepare_slides(source, tmp_path / name, OPTIONS, workers=workers, progress=False)
    assert digests(tmp_path / "none") == digests(tmp_path / "two")
    assert len(digests(tmp_path / "none")) == 5 * 4 + 2  # the twin is indexed, too


def test_finished_slides_are_taken_over_and_stale_ones_removed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = prepare_slides(source, out, OPTIONS, workers=0, progress=False)
    before = digests(out)
    saved: list[object] = []
    original = tile_index.TileIndex.save
    monkeypatch.setattr(tile_index.TileIndex, "save", lambda self, path: saved.append(path) or original(self, path))
    (out / first.slides[2].folder / "thumbnail.png").unlink()
    prepare_slides(source, out, OPTIONS, workers=0, progress=False)
    assert len(saved) == 1 and digests(out) == before
    other = SlideOptions(TileOptions(tile=128, mpp_target=1.0))
    prepare_slides(source, out, other, workers=0, progress=False)
    assert len(saved) == 1 + 5 and len(list((out / "slides").iterdir())) == 5


def test_labels_make_a_datalist(source: Path, tmp_path: Path) -> None:
    lines = ["good0,P1,yes,train", "good1.tif,P2,no,train", "good2,P3,no,val", "absent,P9,yes,test"]
    table = tmp_path / "labels.csv"
    table.write_text("slide,patient,label,split\n" + "\n".join(lines) + "\n")
    options = SlideOptions(OPTIONS.tiles, labels=table, val_fraction=0, name="set")
    report = prepare_slides(source, tmp_path / "out", options, workers=0, progress=False)
    causes = {problem.slide: problem.cause for problem in report.problems}
    assert "has no label" in causes["good3.tif"] and "names it" in causes["absent"]
    datalist = Datalist.load(tmp_path / "out" / "datalist.json")
    assert datalist.class_names == ["no", "yes"] and datalist.num_channels == 3
    items = load_section(tmp_path / "out" / "datalist.json", "training")
    assert [item["label"] for item in items] == [1, 0]
    assert "good" not in json.dumps(items) and "P1" not in json.dumps(items)
    assert len(TileIndex.load(items[0]["image"])) == report.slides[0].tiles
    assert report.counts["training"] == {"no": 1, "yes": 1} and report.groups["validation"] == 1
    assert "datalist" in str(report) and "| patients |" in report.as_markdown()


def test_fractions_that_do_not_fit_the_labels_are_told_before_the_work(source: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("slide,label,split\ngood0,yes,train\ngood1.tif,no,test\n")
    options = SlideOptions(OPTIONS.tiles, labels=table, test_fraction=0.5)
    with pytest.raises(ValueError, match="test fraction is 0.5, but the source has its own split"):
        prepare_slides(source, tmp_path / "out", options, workers=0, progress=False)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing_half_written(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = tile_index.TileIndex.save

    def save(self: TileIndex, path: Path) -> None:
        if self.header["slide"]["name"] == "good2.tif":
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, path)

    monkeypatch.setattr(tile_index.TileIndex, "save", save)
    report = prepare_slides(source, tmp_path / "out", OPTIONS, workers=0, progress=False)
    assert "No space left on device" in {problem.slide: problem.cause for problem in report.problems}["good2.tif"]
    assert len(list((tmp_path / "out" / "slides").iterdir())) == 4  # three and the twin's
    monkeypatch.undo()
    prepare_slides(source, tmp_path / "out", OPTIONS, workers=0, progress=False)
    prepare_slides(source, tmp_path / "whole", OPTIONS, workers=0, progress=False)
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_places_and_sets_that_do_not_fit(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        prepare_slides(tmp_path / "none", tmp_path / "out", OPTIONS)
    with pytest.raises(ValueError, match="lies inside"):
        prepare_slides(source, source / "out", OPTIONS)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        prepare_slides(source, tmp_path / "file", OPTIONS)
    with pytest.raises(ValueError, match="no slide can be used.*empty.svs"):
        prepare_slides(source / "empty.svs", tmp_path / "out", OPTIONS, workers=0, progress=False)
    with pytest.raises(ValueError, match="workers is -1"):
        prepare_slides(source, tmp_path / "out", OPTIONS, workers=-1, progress=False)


def _prepare(source: Path, out: Path, workers: int, last_step: int | None) -> None:
    """In a process of its own, which is killed as it is about to take a step: to change a file or start a worker."""
    steps = itertools.count(1)

    def watch(event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(args[0], str | Path) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in _STEPS) and next(steps) == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    prepare_slides(source, out, OPTIONS, workers=workers, progress=False)


_STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "socket.connect"}


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_files(
    write_pyramid: Callable[..., Path], tmp_path: Path
) -> None:
    folder, moments = tmp_path / "many", random.Random(0)
    for number in range(24):  # a killed run finishes one or two of them
        write_pyramid(he_picture(number), f"{number:02}.tif", folder=folder)
    context = multiprocessing.get_context("forkserver")

    def run(out: str, workers: int, last_step: int | None = None) -> None:
        process = context.Process(target=_prepare, args=(folder, tmp_path / out, workers, last_step))
        process.start()
        process.join()
        assert process.exitcode == (0 if last_step is None else -signal.SIGKILL)

    context.set_forkserver_preload(["torch", "monai_memvit.data.slides.indexing", "monai_memvit.data.slides.thumbnail"])
    for number in range(20):
        workers = 2 if number % 5 == 4 else 0
        run("killed", workers, moments.randint(2, 3) if workers else moments.randint(1, 14))
    finished = [path for path in (tmp_path / "killed" / "slides").iterdir() if not path.name.startswith(".")]
    assert 0 < len(finished) < 24 and not (tmp_path / "killed" / "report.json").exists()
    for out, workers in [("killed", 2), ("whole0", 0), ("whole2", 2)]:
        run(out, workers)
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole0") == digests(tmp_path / "whole2") != {}
    assert not [path for path in (tmp_path / "killed").rglob("*.tmp")]


def test_real_slides_of_every_kind(wsi: Path, tmp_path: Path) -> None:
    """SVS with and without a scale, NDPI of fluorescence, DICOM of both kinds and one that does not conform."""
    bright = SlideOptions(TileOptions(mpp_target=29.0, tile=16, mpp=0.5))
    report = prepare_slides(wsi, tmp_path / "bright", bright, workers=0, progress=False)
    assert [slide.slide for slide in report.slides] == ["cmu_small_region.svs", "dicom_jpeg2000", "tcga-cr-7395.svs"]
    causes = {problem.slide: problem.cause for problem in report.problems}
    assert "fluorescence" in causes["fluorescence_dapi.ndpi"] and "fluorescence" in causes["dicom_multi_level_bpaec"]
    assert "Image Type" in causes["dicom_single_level"]
    assert "its scale was given, not told" in report.slides[2].notes
    dark = SlideOptions(TileOptions(mpp_target=2.0, tile=64, stain="fluorescence", mpp=0.5))
    report = prepare_slides(wsi, tmp_path / "dark", dark, workers=0, progress=False)
    assert [slide.slide for slide in report.slides] == ["dicom_multi_level_bpaec", "fluorescence_dapi.ndpi"]
