from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph.errors import DisplayError
from monai_memvit.transforms.radiograph.modality import ModalityValues
from monai_memvit.transforms.radiograph.voi import voi_values

MakeTable = Callable[[int, list[int], int], Dataset]
RAMP = ModalityValues(np.arange(256.0), 0.0, 255.0)


def film(**elements: Any) -> Dataset:
    made = Dataset()
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def shown(dataset: Dataset, window: int | str = 0, modality: ModalityValues = RAMP) -> np.ndarray:
    return voi_values(dataset, modality, window, [])


TWO = {
    "WindowCenter": ["100", "50"],
    "WindowWidth": ["21", "11"],
    "WindowCenterWidthExplanation": ["WIDE", "Bone"],
}


def test_without_any_the_full_range_is_shown_and_noted() -> None:
    notes: list[str] = []
    values = voi_values(film(), ModalityValues(np.array([-10.0, 0, 40]), -10, 90), 0, notes)
    np.testing.assert_allclose(values, [0, 0.1, 0.5])
    assert "full range" in notes[0]


@pytest.mark.parametrize(("window", "at"), [(0, 99.5), (1, 49.5), ("wide", 99.5), ("BONE", 49.5), ("window", 99.5)])
def test_a_window_is_chosen_by_number_or_explanation(window: int | str, at: float) -> None:
    values = shown(film(**TWO), window)
    np.testing.assert_allclose(np.interp(at, np.arange(256), values), 0.5)


def test_tables_count_before_windows_and_win(make_table: MakeTable) -> None:
    both = film(**TWO, VOILUTSequence=[make_table(0, [0, 255], 8)])
    both.VOILUTSequence[0].LUTExplanation = "Normal"
    notes: list[str] = []
    first = voi_values(both, RAMP, 0, notes)
    assert first[:3].tolist() == [0, 1, 1]
    assert "the LUT is taken" in notes[0]
    assert (shown(both, "lut") == first).all()
    assert (shown(both, "normal") == first).all()
    assert (shown(both, 1) == shown(film(**TWO), 0)).all()
    assert (shown(both, "window") == shown(film(**TWO), 0)).all()


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_range_of_a_table_is_that_of_its_bits(make_table: MakeTable, bits: int) -> None:
    values = shown(film(VOILUTSequence=[make_table(0, [0, 100, 200], bits)]))
    np.testing.assert_allclose(values[:4], np.array([0, 100, 200, 200]) / (2**bits - 1))


def test_the_first_input_is_signed_where_modality_values_are(make_table: MakeTable) -> None:
    table = film(VOILUTSequence=[make_table(-100, [10, 20, 30], 8)])
    values = shown(table, modality=ModalityValues(np.array([-200.0, -100, -99, -98, 5]), -200, 90))
    np.testing.assert_allclose(values * 255, [10, 10, 20, 30, 30])


@pytest.mark.parametrize("window", [2, 5, "lung", "lut"])
def test_a_choice_that_the_film_has_not_is_named(window: int | str) -> None:
    with pytest.raises(DisplayError, match="0: window WIDE', '1: window BONE") as error:
        shown(film(**TWO), window)
    assert repr(window) in str(error.value)


def test_a_choice_where_there_is_none() -> None:
    with pytest.raises(DisplayError, match="window=1"):
        shown(film(), 1)


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": "10"},
        {"WindowWidth": "10"},
        {"WindowCenter": ["10", "20"], "WindowWidth": ""},
    ],
)
def test_half_a_window_is_refused(elements: dict[str, Any]) -> None:
    with pytest.raises(DisplayError, match="WindowCenter or WindowWidth"):
        shown(film(**elements))


def test_a_bad_window_beside_a_good_one_may_be_avoided() -> None:
    some = film(WindowCenter=["10", "100"], WindowWidth=["0", "21"])
    with pytest.raises(DisplayError, match="WindowWidth is 0"):
        shown(some)
    assert shown(some, 1)[99] == pytest.approx(0.475)


def test_empty_windows_are_none() -> None:
    assert (shown(film(WindowCenter="", WindowWidth="")) == shown(film())).all()


def test_the_function_is_the_films(standard_window: Callable[..., float]) -> None:
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        values = shown(film(WindowCenter="100", WindowWidth="37", VOILUTFunction=function))
        np.testing.assert_allclose(values, [standard_window(x, function, 100, 37) for x in range(256)], atol=1e-12)
