"""Values of interest: modality values to the range of the display (PS3.3 C.11.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import decimals, items, text, texts
from .errors import DisplayError, as_code
from .modality import ModalityValues
from .syntax import is_big_endian
from .tables import read_table
from .windows import windowed

__all__ = ["voi_values"]


@dataclass(frozen=True, slots=True)
class _Alternative:
    """One of the transforms that a film offers: the user chooses, nothing in the standard does."""

    kind: str
    explanation: str
    apply: Callable[[ModalityValues], NDArray[np.float64]]


def voi_values(dataset: Any, modality: ModalityValues, window: int | str, notes: list[str]) -> NDArray[np.float64]:
    """Apply the chosen transform of the film, or spread the whole range of the modality where it has none.

    Args:
        dataset: pydicom's data set.
        modality: what goes in.
        window: see :class:`~monai_memvit.transforms.radiograph.RadiographReader`.
        notes: what was decided is added here.

    Returns:
        float64 in [0, 1]: the full output range of the transform, one for every pattern of the stored bits.

    Raises:
        DisplayError: where the film does not offer the choice, or the chosen transform is damaged.
    """
    offered = [*_tables(dataset), *_windows(dataset)]
    if not offered and window == 0:
        notes.append("neither VOI LUT nor window: the full range of the stored bits is shown")
        return (modality.values - modality.low) / (modality.high - modality.low)
    chosen = _choose(offered, window)
    if window == 0 and {"lut", "window"} <= {one.kind for one in offered}:
        notes.append("both VOI LUT and window: the LUT is taken")
    return chosen.apply(modality)


def _tables(dataset: Any) -> list[_Alternative]:
    big = is_big_endian(dataset)

    def applied(item: Any) -> Callable[[ModalityValues], NDArray[np.float64]]:
        def apply(modality: ModalityValues) -> NDArray[np.float64]:
            table = read_table(item, "VOILUTSequence", modality.low < 0, big)
            return table.look_up(modality.values) / table.largest

        return apply

    return [
        _Alternative("lut", text(item, "LUTExplanation"), applied(item)) for item in items(dataset, "VOILUTSequence")
    ]


def _windows(dataset: Any) -> list[_Alternative]:
    function = text(dataset, "VOILUTFunction").upper() or "LINEAR"

    def applied(centre: float, width: float) -> Callable[[ModalityValues], NDArray[np.float64]]:
        def apply(modality: ModalityValues) -> NDArray[np.float64]:
            if not isfinite(centre) or not isfinite(width):
                raise DisplayError("WindowCenter or WindowWidth is absent or no number: choose another window")
            return windowed(modality.values, function, centre, width)

        return apply

    pairs = zip_longest(decimals(dataset, "WindowCenter"), decimals(dataset, "WindowWidth"), fillvalue=nan)
    said = texts(dataset, "WindowCenterWidthExplanation")
    return [
        _Alternative("window", said[number] if number < len(said) else "", applied(*pair))
        for number, pair in enumerate(pairs)
    ]


def _choose(offered: list[_Alternative], window: int | str) -> _Alternative:
    if isinstance(window, int):
        fitting = offered[window : window + 1]
    elif window.casefold() in ("lut", "window"):
        fitting = [one for one in offered if one.kind == window.casefold()]
    else:
        fitting = [one for one in offered if one.explanation.casefold() == window.casefold()]
    if not fitting:
        listed = [
            f"{number}: {one.kind} {as_code(one.explanation.upper())}".rstrip() for number, one in enumerate(offered)
        ]
        raise DisplayError(f"window={window!r} is not among the transforms of the film, {listed}: choose another")
    return fitting[0]
