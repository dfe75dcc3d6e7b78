"""A small simulated cohort, and the bundle's commands on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monai_memvit.__main__ import main

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "bundles" / "histology_patch_classification"


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve simulated patients, prepared: the folder with their datalist."""
    folder = tmp_path_factory.mktemp("cohort")
    assert main(["simulate", "patches", str(folder / "cohort.npz"), "--patients", "12", "--patches-per-patient", "12"]) == 0
    assert main(["prepare", "patches", str(folder / "cohort.npz"), str(folder / "data")]) == 0
    return folder / "data"


class BundleCommand:
    """``python -m monai.bundle run`` as a user types it, in a process of its own."""

    def __init__(self, data: Path, out: Path) -> None:
        self.out = out
        self.fixed = ["--bundle_root", str(BUNDLE), "--dataset_dir", str(data)]
        self.fixed += ["--batch_size", "16", "--logging_file", "False"]

    def words(self, config: str, *options: str) -> list[str]:
        files = [BUNDLE / "configs" / name for name in config.split("+")]
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
    """The bundle's commands, writing to a folder of the test."""
    return BundleCommand(cohort, tmp_path)
