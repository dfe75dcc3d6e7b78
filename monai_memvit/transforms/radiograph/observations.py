"""What is reported of a film and left as it is: overlays, shutters, burned-in text, raw data, a guessed encoding."""

from __future__ import annotations

from typing import Any

from .elements import text
from .errors import as_code
from .syntax import BIG_ENDIAN, transfer_syntax

__all__ = ["OVERLAY_TAGS", "observations"]

OVERLAY_TAGS = tuple((0x6000 + group << 16) | 0x0010 for group in range(0, 0x20, 2))


def observations(dataset: Any) -> list[str]:
    """Look for them.

    Args:
        dataset: pydicom's data set.

    Returns:
        a sentence each.

    Raises:
        DisplayError: where an element cannot be understood.
    """
    found = []
    if not getattr(dataset, "file_meta", {}).get("TransferSyntaxUID"):
        order = "big" if transfer_syntax(dataset) == BIG_ENDIAN else "little"
        kind = "explicit" if dataset.original_encoding[0] is False else "implicit"
        found.append(f"no transfer syntax: read as {kind} VR, {order} endian")
    if overlays := sum(tag in dataset for tag in OVERLAY_TAGS):
        found.append(f"{overlays} overlays are not drawn")
    if shutter := text(dataset, "ShutterShape"):
        found.append(f"a {as_code(shutter)} shutter (PS3.3 C.7.6.11) is described; the pixels beneath are kept")
    if text(dataset, "BurnedInAnnotation").upper() == "YES":
        found.append("text is burned in (BurnedInAnnotation)")
    if text(dataset, "PresentationIntentType").upper() == "FOR PROCESSING":
        found.append("raw data (FOR PROCESSING), not meant for display")
    return found
