"""Small cohorts, and the bundles' commands on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.__main__ import main

ROOT = Path(__file__).parents[2]
BUNDLES = {
    "histology": ROOT / "bundles" / "histology_patch_classification",
    "glioma": ROOT / "bundles" / "glioma_mri_classification",
    "chest": ROOT / "bundles" / "chest_xray_classification",
    "slide": ROOT / "bundles" / "slide_classification",
}
FINDINGS = ("consolidation", "nodule", "effusion", "cardiomegaly")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve simulated patients, prepared: the folder with their datalist."""
    folder = tmp_path_factory.mktemp("cohort")
    assert (
        main(["simulate", "patches", str(folder / "cohort.npz"), "--patients", "12", "--patches-per-patient", "12"])
        == 0
    )
    assert main(["prepare", "patches", str(folder / "cohort.npz"), str(folder / "data")]) == 0
    return folder / "data"


@pytest.fixture(scope="session")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices of fifteen made-up patients in five sequences, some of them absent: the folder with their datalist."""
    folder = tmp_path_factory.mktemp("slices")
    random = np.random.default_rng(0)
    patient, label = np.repeat(np.arange(15), 8), np.tile([0, 0, 0, 1, 1, 1, 0, 0], 15)
    image = random.normal(100, 10, (120, 32, 32, 5))
    image[:, :6] = image[:, -6:] = image[:, :, :6] = image[:, :, -6:] = 0  # air around the head
    image[label == 1, 12:18, 12:18] += 60
    names = {"patient": patient, "label": label, "image": image.astype(np.uint8), "slice_no": np.tile(np.arange(8), 15)}
    missing = random.random((15, 5)) < [0.3, 0.3, 0.3, 0, 0.3]
    np.savez(folder / "slices.npz", channel_missing=missing, **names)
    sequences = "t1,t2,flair,t1gd,apt"
    assert main(["prepare", "mri", str(folder / "slices.npz"), str(folder / "data"), "--sequences", sequences]) == 0
    return folder / "data"


def draw_film(path: Path, shown: np.ndarray, random: np.random.Generator) -> None:
    """A made-up film of 80 x 60 pixels: noise, and a bright square of its own place for every finding shown."""
    film = random.normal(100, 12, (80, 60))
    for number, is_shown in enumerate(shown):
        row, column = 10 + 35 * (number // 2), 8 + 28 * (number % 2)
        film[row : row + 20, column : column + 16] += 90 * is_shown
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty made-up films of thirty patients and four findings, some unknown: the folder with their datalist."""
    from monai_memvit.data.radiographs import FilmPipeline, RadiographOptions, prepare_radiographs

    folder = tmp_path_factory.mktemp("films")
    random = np.random.default_rng(0)
    lines = ["file,patient,split," + ",".join(FINDINGS)]
    for number in range(60):
        patient, shown = number // 2, random.random(4) < 0.5
        draw_film(folder / "source" / f"film{number}.png", shown, random)
        told = ["" if random.random() < 0.05 else "-1" if random.random() < 0.05 else str(int(x)) for x in shown]
        split = "val" if patient % 5 == 3 else "test" if patient % 5 == 4 else "train"
        lines.append(f"film{number}.png,patient{patient},{split},{','.join(told)}")
    (folder / "source" / "labels.csv").write_text("\n".join(lines) + "\n")
    options = RadiographOptions(pipeline=FilmPipeline(size=64))
    prepare_radiographs(folder / "source", folder / "data", options, workers=0, progress=False)
    return folder / "data"


@pytest.fixture(scope="session")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small slides each of ten simulated patients: a folder with the cohort, and with their datalist in data."""
    from monai_memvit.data.simulate.slides import SlideSimulation, simulate_slides
    from monai_memvit.data.slides import SlideOptions, TileOptions, prepare_slides

    folder = tmp_path_factory.mktemp("slides")
    cohort = simulate_slides(
        folder / "cohort", 10, options=SlideSimulation(size=(512, 512), slides=2, lesion_share=0.1)
    )
    tiles = TileOptions(mpp_target=1.0, tile=32)
    options = SlideOptions(tiles, cohort / "labels.csv", ["normal", "tumour"], val_fraction=0.4, test_fraction=0.4)
    prepare_slides(cohort / "slides", folder / "data", options, workers=0, progress=False)
    return folder


@pytest.fixture
def datasets(cohort: Path, slices: Path, films: Path, slides: Path) -> dict[str, Path]:
    """The prepared data of each bundle."""
    return {"histology": cohort, "glioma": slices, "chest": films, "slide": slides / "data"}


class BundleCommand:
    """``python -m monai.bundle run`` as a user types it, in a process of its own."""

    def __init__(self, bundle: Path, data: Path, out: Path) -> None:
        self.bundle, self.out = bundle, out
        self.fixed = ["--bundle_root", str(bundle), "--dataset_dir", str(data)]
        self.fixed += ["--batch_size", "16", "--logging_file", "False"]

    def words(self, config: str, *options: str) -> list[str]:
        files = [self.bundle / "configs" / name for name in config.split("+")]
        named = str(files[0]) if len(files) == 1 else str([str(f) for f in files])
        folders = ["--output_dir", str(self.out / "results")]
        if files[0].name == "train.yaml":
            folders += ["--model_dir", str(self.out / "models")]
        return ["-m", "monai.bundle", "run", "--config_file", named, *self.fixed, *folders, *options]

    def start(self, *words: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, *launcher, *words],
            cwd=self.out,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __call__(self, config: str, *options: str, launcher: tuple[str, ...] = ()) -> str:
        process = self.start(*self.words(config, *options), launcher=launcher)
        printed, _ = process.communicate()
        assert process.returncode == 0, printed[-4000:]
        return printed


@pytest.fixture
def bundle(cohort: Path, tmp_path: Path) -> BundleCommand:
    """The histology bundle's commands, writing to a folder of the test."""
    return BundleCommand(BUNDLES["histology"], cohort, tmp_path)


@pytest.fixture
def glioma(slices: Path, tmp_path: Path) -> BundleCommand:
    """The glioma bundle's commands, writing to a folder of the test."""
    return BundleCommand(BUNDLES["glioma"], slices, tmp_path)


@pytest.fixture
def chest(films: Path, tmp_path: Path) -> BundleCommand:
    """The chest film bundle's commands, writing to a folder of the test."""
    return BundleCommand(BUNDLES["chest"], films, tmp_path)
