from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_memvit.transforms.radiograph import Film, display_values, film_of
from monai_memvit.transforms.radiograph.errors import DisplayError

MakeFilm = Callable[..., Dataset]
WINDOWS = {
    "none": {},
    "linear": {"WindowCenter": "900", "WindowWidth": "1500"},
    "exact": {"WindowCenter": "900", "WindowWidth": "1500.5", "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": "900", "WindowWidth": "1500", "VOILUTFunction": "SIGMOID"},
}


def stored_of(bits: int, signed: int) -> np.ndarray:
    low = -(2 ** (bits - 1)) if signed else 0
    some = np.linspace(low, low + 2**bits - 1, 420).round().astype(np.int64)
    return np.asarray(np.random.default_rng(bits).permutation(some).reshape(21, 20))


@pytest.mark.parametrize(("allocated", "bits"), [(8, 8), (8, 7), (16, 10), (16, 12), (16, 14), (16, 16)])
@pytest.mark.parametrize("signed", [0, 1])
def test_every_stage_by_the_standard(
    make_film: MakeFilm, standard_window: Callable[..., float], allocated: int, bits: int, signed: int
) -> None:
    stored = stored_of(bits, signed)
    for slope, intercept, voi, photometric in product(
        (1.0, 2.5, -1.5), (0.0, -300.25), WINDOWS, ("MONOCHROME1", "MONOCHROME2")
    ):
        rescale = {"RescaleSlope": str(slope), "RescaleIntercept": str(intercept)}
        window = WINDOWS[voi]
        film = make_film(stored, allocated, bits, signed, PhotometricInterpretation=photometric, **rescale, **window)
        values = stored * slope + intercept
        ends = [end * slope + intercept for end in (stored.min(), stored.max())]  # all bits are used
        if window:
            function = window.get("VOILUTFunction", "LINEAR")
            centre, width = float(window["WindowCenter"]), float(window["WindowWidth"])
            expected = np.vectorize(lambda x: standard_window(x, function, centre, width))(values)  # noqa: B023
        else:
            expected = (values - min(ends)) / (max(ends) - min(ends))
        if photometric == "MONOCHROME1":
            expected = 1 - expected
        shown = display_values(film)
        assert shown.dtype == np.float32
        np.testing.assert_allclose(shown, expected, rtol=0, atol=1e-6)


def test_tables_of_both_stages(make_film: MakeFilm, make_table: Callable[..., Dataset]) -> None:
    first = [3 * (value % 300) for value in range(200)]
    second = [value // 2 for value in range(512)]
    film = make_film(
        stored_of(8, 0),
        ModalityLUTSequence=[make_table(20, first, 10)],
        VOILUTSequence=[make_table(100, second, 8)],
        PhotometricInterpretation="MONOCHROME1",
        bits=8,
    )
    modality = np.array(first)[np.clip(stored_of(8, 0) - 20, 0, 199)]
    expected = 1 - np.array(second)[np.clip(modality - 100, 0, 511)] / 255
    np.testing.assert_allclose(display_values(film), expected, rtol=0, atol=1e-6)


def test_no_film_is_stretched_to_its_own_range(make_film: MakeFilm) -> None:
    assert np.allclose(display_values(make_film(np.full((4, 4), 1000))), 1000 / 4095)


@pytest.mark.parametrize("high", [11, 13, 15])
def test_bits_beside_the_stored_ones_do_nothing(make_film: MakeFilm, high: int) -> None:
    stored = stored_of(12, 0)
    shift = high - 11
    garbage = np.random.default_rng(2).integers(0, 2**16, stored.shape) & ~(4095 << shift)
    words = ((stored << shift) | garbage).astype("<u2")
    film = make_film(stored, HighBit=high, PixelData=words.tobytes())
    np.testing.assert_allclose(display_values(film), stored / 4095, atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_marked(make_film: MakeFilm, photometric: str) -> None:
    stored = np.array([[0, 0, 10], [4000, 4001, 4095]])
    film = make_film(stored, PhotometricInterpretation=photometric)
    film.add_new("PixelPaddingValue", "US", 4001)
    film.add_new("PixelPaddingRangeLimit", "US", 4000)
    found = film_of(film)
    assert found.padding is not None
    np.testing.assert_array_equal(found.padding, [[False] * 3, [True, True, False]])
    assert (found.values[found.padding] == 0).all()
    bare = display_values(make_film(stored, PhotometricInterpretation=photometric))
    np.testing.assert_array_equal(found.values[~found.padding], bare[~found.padding])
    assert "padding is shown black" in found.notes


def test_what_is_known_of_a_film(make_film: MakeFilm) -> None:
    found = film_of(make_film(PixelSpacing=["0.2", "0.1"], ViewPosition="AP", BurnedInAnnotation="YES"))
    assert isinstance(found, Film)
    assert (found.spacing.row_mm, found.spacing.column_mm, found.spacing.kind) == (0.2, 0.1, "detector")
    assert found.attributes["ViewPosition"] == "AP"
    assert any("burned in" in note for note in found.notes)
    assert found.padding is None
    assert found.sop_instance == "1.2.3.4"


@pytest.mark.parametrize("modality", ["CT", "MR", None])
def test_the_transform_asks_for_no_modality(make_film: MakeFilm, modality: str | None) -> None:
    assert display_values(make_film(Modality=modality)).shape == (6, 5)


@pytest.mark.parametrize(
    "changes",
    [{"WindowCenter": "3", "WindowWidth": "0"}, {"Rows": 7}, {"PixelData": None}, {"VOILUTSequence": [Dataset()]}],
)
def test_bad_films_are_refused(make_film: MakeFilm, changes: dict[str, Any]) -> None:
    with pytest.raises(DisplayError):
        display_values(make_film(**changes))


def test_equal_to_highdicom(make_film: MakeFilm, make_table: Callable[..., Dataset]) -> None:
    """Where highdicom keeps to the standard: its LINEAR does with a slope of 1, its tables with 8 or 16 bits."""
    image = pytest.importorskip("highdicom.image")
    table = make_table(500, list(range(0, 65536, 64)), 16)
    table.LUTData = np.linspace(0, 65535, 1024).round().astype("<u2").tobytes()
    ways: list[dict[str, Any]] = [*list(WINDOWS.values())[1:], {"VOILUTSequence": [table]}]
    for way, photometric, signed in product(ways, ("MONOCHROME1", "MONOCHROME2"), (0, 1)):
        stored = stored_of(12, signed)
        film = make_film(stored, signed=signed, PhotometricInterpretation=photometric, **way)
        transform = image._CombinedPixelTransform(film, apply_voi_transform=True, apply_presentation_lut=True)
        np.testing.assert_allclose(display_values(film), transform(stored), rtol=0, atol=1e-6)
