"""In which transfer syntax a data set was written (PS3.5 annex A), and what UIDs are called."""

from __future__ import annotations

from typing import Any

from .errors import as_code

__all__ = ["BIG_ENDIAN", "DEFLATED", "NATIVE", "is_big_endian", "name_of", "transfer_syntax"]

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)


def transfer_syntax(dataset: Any) -> str:
    """Return its UID; where the file has none, the one in which pydicom could read it.

    Args:
        dataset: pydicom's data set.
    """
    stated = str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID") or "")
    if stated:
        return stated
    implicit, little = dataset.original_encoding
    return BIG_ENDIAN if little is False else EXPLICIT if implicit is False else IMPLICIT


def is_big_endian(dataset: Any) -> bool:
    """Tell the byte order.

    Args:
        dataset: pydicom's data set.
    """
    return transfer_syntax(dataset) == BIG_ENDIAN


def name_of(uid: str) -> str:
    """Return what the standard calls a UID; a private one itself, empty where there is none.

    Args:
        uid: of a transfer syntax or a SOP class.
    """
    from pydicom.uid import UID

    return as_code(uid) if UID(uid).name == uid else str(UID(uid).name)
