"""Values of DICOM elements, also of damaged ones: a number, several, texts, items; or the error that names them."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan
from typing import Any

from .errors import DisplayError, as_code

__all__ = ["decimals", "items", "text", "texts", "value_of", "whole"]


def value_of(dataset: Any, keyword: str) -> Any:
    """Return the value of an element, or None where it is absent.

    Args:
        dataset: pydicom's data set.
        keyword: of the element.

    Raises:
        DisplayError: where its bytes cannot be understood.
    """
    try:
        return dataset.get(keyword)
    except Exception as error:  # pydicom raises whatever damaged bytes make it hit
        raise DisplayError(f"{keyword} cannot be read ({type(error).__name__}): export the film again") from None


def whole(dataset: Any, keyword: str) -> int | None:
    """Return a whole number, or None where the element is absent or empty.

    Args:
        dataset: pydicom's data set.
        keyword: of the element.

    Raises:
        DisplayError: where it is something else.
    """
    parts = _parts(value_of(dataset, keyword))
    if not parts:
        return None
    try:
        (number,) = (int(str(part)) for part in parts)
        return number
    except ValueError:
        said = as_code(" ".join(map(str, parts)))
        raise DisplayError(f"{keyword} is {said}, no whole number: export the film again") from None


def decimals(dataset: Any, keyword: str) -> tuple[float, ...]:
    """Return the numbers of a decimal string (DS); empty where it is absent, NaN where a part is no number.

    The bytes are read here: pydicom warns of, or stumbles over, decimal strings of bad form.

    Args:
        dataset: pydicom's data set.
        keyword: of the element.

    Raises:
        DisplayError: where its bytes cannot be understood.
    """
    raw = _raw_bytes(dataset, keyword)
    parts = _parts(value_of(dataset, keyword)) if raw is None else raw.decode("ascii", "replace").split("\\")
    said = [str(part).strip(" \0") for part in parts]
    return tuple(_number(part) for part in said) if any(said) else ()


def texts(dataset: Any, keyword: str) -> tuple[str, ...]:
    """Return the texts of an element; empty where it is absent.

    Args:
        dataset: pydicom's data set.
        keyword: of the element.

    Raises:
        DisplayError: where its bytes cannot be understood.
    """
    return tuple(str(part).strip(" \0") for part in _parts(value_of(dataset, keyword)))


def text(dataset: Any, keyword: str) -> str:
    r"""Return the text of an element, several joined by ``\`` as in the file; empty where it is absent.

    Args:
        dataset: pydicom's data set.
        keyword: of the element.

    Raises:
        DisplayError: where its bytes cannot be understood.
    """
    return "\\".join(texts(dataset, keyword))


def items(dataset: Any, keyword: str) -> list[Any]:
    """Return the items of a sequence; empty where it is absent.

    Args:
        dataset: pydicom's data set.
        keyword: of the sequence.

    Raises:
        DisplayError: where it is no sequence, or cannot be understood.
    """
    from pydicom.dataset import Dataset

    found = _parts(value_of(dataset, keyword))
    if not all(isinstance(item, Dataset) for item in found):
        raise DisplayError(f"{keyword} is no sequence: export the film again")
    return found


def _parts(value: Any) -> list[Any]:
    if value is None or isinstance(value, (str, bytes)) and not value:
        return []
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else [value]


def _raw_bytes(dataset: Any, keyword: str) -> bytes | None:
    element = dataset.get_item(keyword)
    value = getattr(element, "value", None) if type(element).__name__ == "RawDataElement" else None
    return value if isinstance(value, bytes) and element.VR in (None, "DS", "IS") else None


def _number(part: str) -> float:
    try:
        return float(part)
    except ValueError:
        return nan
