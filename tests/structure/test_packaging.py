"""What the project file promises to those who install it."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import monai_memvit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[2]
EXTRAS = {
    *("mlflow", "mri", "radiograph", "pathology", "cpu", "gpu", "faiss", "faiss-gpu"),
    *("clinical", "label", "federated", "docs", "dev", "all"),
}
INSTALLED_AS = {
    "ignite": "pytorch-ignite",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "faiss": "faiss-cpu",
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The [project] table."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def unfold(requirements: list[str], extras: dict[str, list[str]]) -> set[str]:
    """Names of the distributions asked for, the project's own extras and MONAI's followed."""
    names: set[str] = set()
    for requirement in map(Requirement, requirements):
        if canonicalize_name(requirement.name) == "monai-memvit":
            names |= unfold([line for extra in requirement.extras for line in extras[extra]], extras)
        else:
            names.add(canonicalize_name(requirement.name))
            names |= {canonicalize_name(INSTALLED_AS.get(extra, extra)) for extra in requirement.extras}
    return names


def imported_distributions(path: Path, everywhere: bool) -> set[str]:
    """Distributions behind a file's imports: those at its top only, or everywhere."""
    tree = ast.parse(path.read_text(), str(path))
    tops: set[str] = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            tops |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            tops.add(str(node.module).partition(".")[0])
    tops -= {*sys.stdlib_module_names, "monai_memvit"}
    return {canonicalize_name(INSTALLED_AS.get(top, top)) for top in tops}


def test_extras_are_all_there(project: dict[str, Any]) -> None:
    assert set(project["optional-dependencies"]) == EXTRAS


def test_neither_torchvision_nor_timm_is_asked_for(project: dict[str, Any], package_root: Path) -> None:
    extras = project["optional-dependencies"]
    wanted = unfold([*project["dependencies"], *(line for lines in extras.values() for line in lines)], extras)
    imported = {name for path in package_root.rglob("*.py") for name in imported_distributions(path, everywhere=True)}
    assert not {"torchvision", "torchaudio", "timm"} & (wanted | imported)


def test_all_brings_one_faiss_and_stays_apart_from_monai_label(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    everything = unfold(extras["all"], extras)
    assert "faiss-cpu" in everything
    assert not {"faiss-gpu", "monailabel"} & everything
    assert unfold(extras["faiss"], extras) == {"faiss-cpu"}
    assert unfold(extras["faiss-gpu"], extras) == unfold(extras["gpu"], extras) == {"faiss-gpu"}


def test_what_files_import_at_their_top_is_a_core_dependency(project: dict[str, Any], package_root: Path) -> None:
    core = unfold(project["dependencies"], {})
    missing = {path.name: imported_distributions(path, everywhere=False) - core for path in package_root.rglob("*.py")}
    assert not {name: names for name, names in missing.items() if names}


def test_what_functions_import_is_a_dependency_or_an_extra(project: dict[str, Any], package_root: Path) -> None:
    extras = project["optional-dependencies"]
    known = unfold([*project["dependencies"], *(line for lines in extras.values() for line in lines)], extras)
    missing = {path.name: imported_distributions(path, everywhere=True) - known for path in package_root.rglob("*.py")}
    assert not {name: names for name, names in missing.items() if names}


def test_import_names_are_mapped_as_installed() -> None:
    for module, distribution in INSTALLED_AS.items():
        homes = {canonicalize_name(name) for name in packages_distributions().get(module, [distribution])}
        assert distribution in homes or homes == {"faiss-gpu"}


def test_the_version_is_said_once(project: dict[str, Any]) -> None:
    assert "version" in project["dynamic"] and "version" not in project
    assert re.fullmatch(r"\d+\.\d+\.\d+", monai_memvit.__version__)
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[?{re.escape(monai_memvit.__version__)}\b", changelog, re.MULTILINE)


def test_constraints_pin_the_torch_that_has_a_cpu_wheel() -> None:
    assert (REPOSITORY / "constraints-cpu.txt").read_text().split() == ["torch==2.13.0"]
    assert "torch==2.13.0" in (REPOSITORY / "constraints.txt").read_text().splitlines()


def test_the_lock_is_exact_and_names_no_place(project: dict[str, Any]) -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line) for line in pins), (
        "name==version lines only: `make lock`"
    )
    extras = project["optional-dependencies"]
    wanted = unfold([*project["dependencies"], *extras["all"]], extras) - {"tomli"}
    locked = {canonicalize_name(line.partition("==")[0]) for line in pins}
    assert wanted <= locked, f"not locked: {sorted(wanted - locked)}; run `make lock`"
