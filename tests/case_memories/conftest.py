"""A bundle with an untrained network, the data it belongs to, and the cases of another site."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_memvit.__main__ import main
from monai_memvit.case_memories import BundleChoice

BUNDLE = Path(__file__).parents[2] / "bundles" / "histology_patch_classification"
OVERRIDES = {"memory_layers": [], "batch_size": 16}


def prepared(folder: Path, name: str, seed: int) -> Path:
    """Simulated patches, prepared."""
    made = str(folder / f"{name}.npz")
    sizes = ["--patients", "12", "--patches-per-patient", "8", "--size", "12", "--seed", str(seed)]
    assert main(["simulate", "patches", made, *sizes]) == 0
    assert main(["prepare", "patches", made, str(folder / name)]) == 0
    return folder / name


def save_untrained(dataset_dir: Path, checkpoint: Path, seed: int = 0) -> None:
    """Weights as they are drawn."""
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "train.yaml"))
    parser.update(OVERRIDES | {"dataset_dir": str(dataset_dir)})
    torch.manual_seed(seed)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.save(parser.get_parsed_content("network").state_dict(), checkpoint)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ``home`` and ``site`` of prepared cases, and a ``bundle`` with weights."""
    folder = tmp_path_factory.mktemp("memories")
    prepared(folder, "home", 0)
    prepared(folder, "site", 7)
    shutil.copytree(BUNDLE / "configs", folder / "bundle" / "configs")
    save_untrained(folder / "home", folder / "bundle" / "models" / "model.pt")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same for one test to change."""
    shutil.copytree(made, tmp_path / "all")
    return tmp_path / "all"


@pytest.fixture
def choice(folder: Path) -> BundleChoice:
    """The network, its bundle found by itself."""
    overrides: dict[str, Any] = dict(OVERRIDES)
    return BundleChoice(folder / "bundle" / "models" / "model.pt", dataset_dir=folder / "home", overrides=overrides)


@pytest.fixture
def site(folder: Path) -> Path:
    """The datalist of the other site."""
    return folder / "site" / "datalist.json"
