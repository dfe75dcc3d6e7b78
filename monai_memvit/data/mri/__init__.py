"""Preparing MRI: from a folder of studies to normalised slices, every channel by the name of its sequence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; they need MONAI, pydicom or SimpleITK, so they are loaded on first use.
_HOMES = {
    "CachedCase": ".case_cache",
    "FindOptions": ".sources.find_options",
    "LeftOut": ".studies",
    "MASKS": ".studies",
    "MriCaseReport": ".case_report",
    "MriOptions": ".prepare",
    "MriPipeline": ".slices.pipeline",
    "MriReport": ".report",
    "PreparedCase": ".slices.prepared_case",
    "SEQUENCES": ".studies",
    "SliceArchiveOptions": ".archives.slice_archive",
    "SliceArchiveReport": ".archives.slice_archive_report",
    "SequenceSource": ".studies",
    "Study": ".studies",
    "StudyProblem": ".studies",
    "cache_cases": ".case_cache",
    "find_studies": ".sources.find",
    "load_new_slices": ".inference",
    "load_pipeline": ".pipeline_file",
    "prepare_slice_archive": ".archives.slice_archive",
    "prepare_mri": ".prepare",
    "preprocess_study": ".slices.preprocess",
    "quality_picture": ".quality",
    "read_label_table": ".labels",
    "read_study_table": ".sources.study_table",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
