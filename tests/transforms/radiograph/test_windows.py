from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from monai_memvit.transforms.radiograph.errors import DisplayError
from monai_memvit.transforms.radiograph.windows import windowed

VALUES = np.concatenate([np.arange(-300.0, 300.0), np.linspace(-5, 5, 201)])


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(0, 100), (40.5, 99), (-20, 2), (7, 1), (0, 1.5)])
def test_equal_to_the_standards_own_words(
    standard_window: Callable[..., float], function: str, centre: float, width: float
) -> None:
    expected = [standard_window(x, function, centre, width) for x in VALUES]
    shown = windowed(VALUES, function, centre, width)
    np.testing.assert_allclose(shown, expected, rtol=0, atol=1e-12)


def test_the_worked_example_of_the_standard() -> None:
    """C.11.2.1.2.1: centre 2048 and width 4096 map 0 to 0 and 4095 to the whole range."""
    assert windowed(np.array([0.0, 2047.5, 4095.0]), "LINEAR", 2048, 4096).tolist() == [0, 0.5, 1]


def test_a_steep_sigmoid_overflows_silently(recwarn: pytest.WarningsRecorder) -> None:
    assert windowed(np.array([-1e6, 1e6]), "SIGMOID", 0, 0.001).tolist() == [0, 1]
    assert not recwarn


@pytest.mark.parametrize(
    ("function", "width"), [("LINEAR", 0), ("LINEAR", 0.5), ("LINEAR", -3), ("LINEAR_EXACT", 0), ("SIGMOID", -1)]
)
def test_widths_out_of_range_are_named(function: str, width: float) -> None:
    with pytest.raises(DisplayError, match=f"WindowWidth is {width:g}, {function}"):
        windowed(VALUES, function, 0, width)


def test_another_function_is_named() -> None:
    with pytest.raises(DisplayError, match="CUBIC"):
        windowed(VALUES, "CUBIC", 0, 10)
