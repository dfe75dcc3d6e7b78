"""Preparing histology patches: from a folder tree or an npz archive to a datalist."""

from __future__ import annotations

from .named_arrays import ArrayNames
from .prepare import PatchOptions, prepare_patches
from .report import BrokenImage, PrepareReport

__all__ = ["ArrayNames", "BrokenImage", "PatchOptions", "PrepareReport", "prepare_patches"]
