"""The one error of films that cannot be shown as they should be."""

from __future__ import annotations

import re

__all__ = ["DisplayError", "as_code", "in_few_words"]

_CODE = re.compile(r"[A-Z0-9_ .+-]{0,40}")


class DisplayError(ValueError):
    """A film cannot be displayed, or not with certainty: it says which file, why, and what to do."""


def as_code(text: str) -> str:
    """Return a text for an error or a note, if it looks as codes and numbers of DICOM do.

    A wrong length in a damaged file lets one element begin in another: a patient's name may stand anywhere.

    Args:
        text: value of an element.
    """
    return text if _CODE.fullmatch(text) else "unreadable text"


def in_few_words(error: BaseException) -> str:
    """Return the last line of an error's text, where libraries put the cause, or its kind where it has none.

    Args:
        error: of a decoder, which knows of no patient.
    """
    return str(error).strip().split("\n")[-1].strip()[:200] or type(error).__name__
