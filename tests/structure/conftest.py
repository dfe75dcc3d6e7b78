"""The package as the structure tests see it: its files, its modules, its public objects."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import monai_memvit


@pytest.fixture(scope="session")
def package_root() -> Path:
    """The folder of the package."""
    return Path(monai_memvit.__file__).parent


@pytest.fixture(scope="session")
def package_modules() -> list[ModuleType]:
    """Every importable module of the package, the command line apart: importing it would not be using it."""
    found = pkgutil.walk_packages(monai_memvit.__path__, "monai_memvit.")
    names = ["monai_memvit", *(info.name for info in found if not info.name.endswith("__main__"))]
    return [import_module(name) for name in names]


def own_members(module: ModuleType) -> Iterator[tuple[str, type | object]]:
    """The public classes and functions a module defines, as MONAI's short-name lookup would find them."""
    for name, member in inspect.getmembers(module):
        if (inspect.isclass(member) or inspect.isfunction(member)) and member.__module__ == module.__name__:
            if not name.startswith("_"):
                yield name, member


@pytest.fixture(scope="session")
def public_members(package_modules: list[ModuleType]) -> dict[str, object]:
    """Dotted name -> public class or function, at the place of its definition."""
    return {f"{module.__name__}.{name}": member for module in package_modules for name, member in own_members(module)}
