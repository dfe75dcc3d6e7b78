"""MONAI's short-name lookup takes all loaded modules that begin with "monai", ours too: no name may be in both."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from types import ModuleType

import monai
import pytest
from monai.bundle.config_item import ComponentLocator
from monai.utils import OptionalImportError

import monai_memvit


@pytest.fixture(scope="module")
def monai_names() -> set[str]:
    """Names of all classes and functions in MONAI's modules that can be imported here, and their ``__all__``s."""
    for info in pkgutil.walk_packages(monai.__path__, "monai.", onerror=lambda name: None):
        if info.name.endswith("__main__") or info.name in sys.modules:
            continue
        try:
            import_module(info.name)
        except (ImportError, OptionalImportError, AttributeError):
            continue  # wants a package that is not installed
    modules = [name for name in sys.modules if name == "monai" or name.startswith("monai.")]
    table = ComponentLocator()._find_classes_or_functions(modules)
    exported = {name for module in modules for name in getattr(sys.modules[module], "__all__", ())}
    return {name for name in {*table, *exported} if not name.startswith("_")}


def test_monai_was_really_enumerated(monai_names: set[str]) -> None:
    assert {"ViT", "SABlock", "LoadImaged", "SupervisedTrainer", "MLFlowHandler", "set_determinism"} <= monai_names
    assert len(monai_names) > 2000


def test_no_definition_of_ours_has_a_name_of_monai(public_members: dict[str, object], monai_names: set[str]) -> None:
    assert public_members
    clashes = [dotted for dotted in public_members if dotted.rpartition(".")[2] in monai_names]
    assert not clashes, f"MONAI has these names already, choose others: {clashes}"


def test_no_exported_name_of_ours_is_monais(package_modules: list[ModuleType], monai_names: set[str]) -> None:
    exported = {name for module in package_modules for name in getattr(module, "__all__", ())}
    clashes = sorted(exported & monai_names)
    assert not clashes, f"MONAI has these names already, choose others: {clashes}"


def test_monais_own_lookup_finds_ours_by_short_name(package_modules: list[ModuleType]) -> None:
    """Why this file exists: if MONAI stops looking at our modules, the rule can be dropped."""
    assert ComponentLocator().get_component_module_name("MemViT") == "monai_memvit.networks.nets.memvit"
    assert monai_memvit.__name__.startswith(ComponentLocator.MOD_START)
