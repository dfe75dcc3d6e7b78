"""Data lists, identity, splits and datasets: knows files and patients, knows no network."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .atomic import atomic_write, atomic_write_bytes, atomic_write_json, atomic_write_text
from .datalist import (
    Case,
    Datalist,
    load_case_index,
    load_channel_names,
    load_class_names,
    load_fingerprint,
    load_id_map,
    load_num_channels,
    load_section,
)
from .fingerprint import array_digest, content_fingerprint
from .identity import IdentityKey, id_map
from .inference_cases import CaseList, load_inference_cases
from .splits import split_by_group
from .subsets import nested_subset

# These import MONAI, torch or Pillow, which the command line should not wait for.
_LAZY = {
    "EpochSampler": ".epoch_sampler",
    "case_picture": ".case_pictures",
    "PrepareReport": ".patches",
    "SeededCacheDataset": ".seeded_dataset",
    "prepare_patches": ".patches",
}

__all__ = [
    "Case",
    "CaseList",
    "Datalist",
    "EpochSampler",
    "IdentityKey",
    "PrepareReport",
    "SeededCacheDataset",
    "array_digest",
    "atomic_write",
    "atomic_write_bytes",
    "atomic_write_json",
    "atomic_write_text",
    "case_picture",
    "content_fingerprint",
    "id_map",
    "load_case_index",
    "load_channel_names",
    "load_class_names",
    "load_fingerprint",
    "load_id_map",
    "load_inference_cases",
    "load_num_channels",
    "load_section",
    "nested_subset",
    "prepare_patches",
    "split_by_group",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)
