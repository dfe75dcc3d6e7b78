"""A bundle's case memory as a file: cases of another hospital added and removed, and what that does to the figures."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; they need MONAI and torch, so they are loaded on first use.
_HOMES = {
    "BundleChoice": ".trained_bundle",
    "MemoryReport": ".report",
    "add_cases": ".adding",
    "remove_cases": ".removing",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
