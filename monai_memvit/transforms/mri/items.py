"""What the dictionary transforms share: which sequences an item holds, and what an error calls them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform

__all__ = ["name_of", "present_keys"]


def name_of(image: Any, key: str = "") -> str:
    """What to call an image in an error: its key and, where known, its file.

    Args:
        image: a MetaTensor that came from a file, or anything else.
        key: name of the sequence in the item, if any.

    Returns:
        for example ``t1 (/data/case/t1.nii.gz)``.
    """
    file = str(image.meta.get("filename_or_obj", "")) if isinstance(image, MetaTensor) else ""
    if key and file:
        return f"{key} ({file})"
    return key or file or "the image"


def present_keys(transform: MapTransform, data: Mapping[Any, Any]) -> Iterator[str]:
    """The keys of a transform that an item has; a sequence given as None counts as missing.

    Args:
        transform: says which keys, and whether some may be missing.
        data: the item.

    Yields:
        keys whose value is not None.

    Raises:
        ValueError: for a missing one, unless ``allow_missing_keys``.
    """
    for key in transform.keys:
        if data.get(key) is not None:
            yield str(key)
        elif not transform.allow_missing_keys:
            raise ValueError(f"the item has no {key!r}: give it, or set allow_missing_keys=True.")
