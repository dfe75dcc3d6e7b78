"""The three functions of a window (PS3.3 C.11.2.1.2 and C.11.2.1.3), with an output range of 0 to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import DisplayError, as_code

__all__ = ["windowed"]


def windowed(values: NDArray[np.float64], function: str, centre: float, width: float) -> NDArray[np.float64]:
    """Apply a window.

    Args:
        values: of the modality.
        function: LINEAR, LINEAR_EXACT or SIGMOID.
        centre: WindowCenter, in the units of the values.
        width: WindowWidth: at least 1 for LINEAR, more than 0 for the others.

    Returns:
        float64 in [0, 1]; SIGMOID comes near both ends and does not reach them.

    Raises:
        DisplayError: for another function, or a width out of range.
    """
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise DisplayError(f"VOILUTFunction {as_code(function)} is not in PS3.3 C.11.2.1.3: correct the file")
    if width <= 0 or (function == "LINEAR" and width < 1):
        least = "at least 1" if function == "LINEAR" else "more than 0"
        raise DisplayError(f"WindowWidth is {width:g}, {function} needs {least}: choose another window")
    if function == "LINEAR":
        return _linear(values, centre - 0.5, width - 1.0)
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0.0, 1.0)
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-4.0 * (values - centre) / width))


def _linear(values: NDArray[np.float64], centre: float, width: float) -> NDArray[np.float64]:
    if width == 0:
        return (values > centre).astype(np.float64)
    return np.clip((values - centre) / width + 0.5, 0.0, 1.0)
