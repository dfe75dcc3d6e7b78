"""Packages of the extra ``pathology``, or the word how to install them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["needed"]


def needed(module: str) -> ModuleType:
    """Import a module of the extra ``pathology``.

    MONAI's ``optional_import`` says the same, but brings MONAI into every process that reads slides: 6 seconds, and
    half of the memory that reading a slide may take.

    Args:
        module: dotted name.

    Raises:
        ImportError: where it is not installed, naming the remedy.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f'slides need {module} ({error}): pip install "monai_memvit[pathology]"') from None
