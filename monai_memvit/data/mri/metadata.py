"""Volumes keep their place in the world, whatever MONAI was told for the rest of the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["tracked_metadata"]


@contextmanager
def tracked_metadata() -> Iterator[None]:
    """Within it MONAI's tensors carry their metadata, also where a bundle has said ``set_track_meta(False)``."""
    from monai.data import get_track_meta, set_track_meta

    before = get_track_meta()
    set_track_meta(True)
    try:
        yield
    finally:
        set_track_meta(before)
