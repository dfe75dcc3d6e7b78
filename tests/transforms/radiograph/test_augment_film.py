"""Seeded, in range, and never mirrored; SciPy is the reference of the geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, set_track_meta
from monai.transforms import Compose
from scipy.ndimage import affine_transform

from monai_memvit.transforms.radiograph import RandFilmAugment, RandFilmAugmentd
from monai_memvit.transforms.radiograph.film_operations import GEOMETRIC, TONAL


def film_of(rows: int = 48, columns: int = 64) -> torch.Tensor:
    """Smooth structure, black at the rim."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    values = np.exp(-3 * ((x - 0.2) ** 2 + (y + 0.1) ** 2)) * (0.8 + 0.2 * np.sin(9 * x) * np.cos(7 * y))
    return torch.from_numpy((values * (np.abs(x) < 0.9) * (np.abs(y) < 0.9)).astype(np.float32))[None]


@pytest.mark.parametrize("num_ops", [1, 2, len(GEOMETRIC)])
def test_left_stays_left(num_ops: int) -> None:
    """A marker in the left half; whatever happens, at full strength, it stays on its side of a marker on the right."""
    film = torch.zeros(2, 96, 96)
    film[0, 44:52, 34:38] = 1.0
    film[1, 44:52, 58:62] = 1.0
    augment = RandFilmAugment(num_ops, 10.0, 0.0, 1.0, list(GEOMETRIC)).set_random_state(0)
    columns = torch.arange(96.0)
    for _ in range(200):
        left = augment(film[:1])[0]
        right = augment(film[1:], randomize=False)[0]
        if left.sum() > 1 and right.sum() > 1:
            places = [float((marker.sum(0) * columns).sum() / marker.sum()) for marker in (left, right)]
            assert places[0] < places[1], augment.drawn


@pytest.mark.parametrize("shape", [(48, 64), (40, 40)])
@pytest.mark.parametrize("name", GEOMETRIC)
def test_geometry_equals_scipy(name: str, shape: tuple[int, int]) -> None:
    film = film_of(*shape)
    augment = RandFilmAugment(1, 6.0, 0.5, 1.0, [name]).set_random_state(4)
    done = augment(film)
    ((drawn, amount, _),) = augment.drawn
    matrix = GEOMETRIC[drawn](amount)
    centre = (np.array(shape) - 1) / 2
    shift = centre - matrix[:2, :2] @ centre + matrix[:2, 2] * shape
    expected = affine_transform(film[0].numpy(), matrix[:2, :2], shift, order=1, mode="constant")
    assert float((done - film).abs().max()) > 0.05
    np.testing.assert_allclose(done[0], expected, atol=2e-5)


def test_operations_that_meet_are_one_resampling() -> None:
    """In the order in which they were drawn; SciPy resamples once by the product of their matrices."""
    film = film_of(50, 50)
    augment = RandFilmAugment(3, 4.0, 0.0, 1.0, ["rotate", "scale", "shear_rows"]).set_random_state(0)
    done = augment(film)
    matrix = np.linalg.multi_dot([GEOMETRIC[name](amount) for name, amount, _ in augment.drawn])[:2, :2]
    centre = np.full(2, 24.5)
    expected = affine_transform(film[0].numpy(), matrix, centre - matrix @ centre, order=1, mode="constant")
    np.testing.assert_allclose(done[0], expected, atol=2e-5)


def test_no_operation_is_drawn_twice() -> None:
    augment = RandFilmAugment(5, prob=1.0).set_random_state(0)
    for _ in range(50):
        augment.randomize()
        assert len({name for name, _, _ in augment.drawn}) == 5


@pytest.mark.parametrize("name", [*GEOMETRIC, *TONAL])
@pytest.mark.parametrize("magnitude", [0.0, 10.0])
def test_display_values_stay_in_their_range(name: str, magnitude: float) -> None:
    augment = RandFilmAugment(1, magnitude, 0.0, 1.0, [name]).set_random_state(1)
    for film in (film_of(), torch.ones(1, 30, 20), torch.zeros(1, 20, 30)):
        done = augment(film)
        assert done.dtype == torch.float32 and done.shape == film.shape
        assert 0 <= float(done.min()) and float(done.max()) <= 1 + 1e-6


def test_a_seed_tells_all_and_the_draws_differ() -> None:
    film = film_of()
    one, same, other = (RandFilmAugmentd("image").set_random_state(seed) for seed in (3, 3, 4))
    ours = [one({"image": film})["image"] for _ in range(6)]
    assert all(torch.equal(a, same({"image": film})["image"]) for a in ours)
    assert not all(torch.equal(a, other({"image": film})["image"]) for a in ours)
    assert not all(torch.equal(ours[0], a) for a in ours)


def test_monais_compose_seeds_it() -> None:
    film = film_of()
    transform = Compose([RandFilmAugmentd("image", prob=1.0)])
    first = [transform.set_random_state(9)({"image": film})["image"] for _ in range(2)]
    assert torch.equal(*first)


def test_all_films_of_an_item_go_together() -> None:
    film = film_of()
    done = RandFilmAugmentd(["image", "again"], prob=1.0).set_random_state(2)({"image": film, "again": film, "id": 7})
    assert torch.equal(done["image"], done["again"]) and done["id"] == 7


def test_strengths_and_frequencies() -> None:
    augment = RandFilmAugment(2, 6.0, 0.5, 0.5).set_random_state(0)
    drawn = []
    for _ in range(3000):
        augment.randomize()
        drawn.extend(augment.drawn)
    levels = np.abs([amount for _, amount, _ in drawn])
    assert len(drawn) == pytest.approx(3000, rel=0.05)
    assert levels.mean() == pytest.approx(0.6, abs=0.005) and levels.std() == pytest.approx(0.05, abs=0.005)
    assert np.mean([amount > 0 for _, amount, _ in drawn]) == pytest.approx(0.5, abs=0.03)
    counts = {name: sum(name == each for each, _, _ in drawn) for name in (*GEOMETRIC, *TONAL)}
    assert min(counts.values()) > 0.7 * len(drawn) / len(counts)


def test_nothing_drawn_is_the_film_itself() -> None:
    film = film_of()
    assert torch.equal(RandFilmAugment(prob=0.0)(film), film) and torch.equal(RandFilmAugment(num_ops=0)(film), film)


def test_the_affine_follows() -> None:
    """A ramp of mm along the columns, augmented, still says the mm of its pixels by the affine."""
    affine = torch.diag(torch.tensor([0.01, 0.01, 1.0, 1.0], dtype=torch.float64))
    ramp = (torch.arange(64.0) * 0.01).repeat(64, 1)[None]
    augment = RandFilmAugment(3, 4.0, 1.0, 1.0, list(GEOMETRIC)).set_random_state(5)
    done = augment(MetaTensor(ramp, affine=affine))
    assert isinstance(done, MetaTensor) and not torch.allclose(done.affine, affine)
    rows, columns = torch.meshgrid(torch.arange(25, 40), torch.arange(25, 40), indexing="ij")
    told = done.affine[1, 0] * rows + done.affine[1, 1] * columns + done.affine[1, 3]
    np.testing.assert_allclose(done.as_tensor()[0, rows, columns], told, atol=1e-4)


def test_plain_tensors_and_half_precision() -> None:
    set_track_meta(False)
    try:
        done = RandFilmAugment(prob=1.0).set_random_state(0)(film_of().to(torch.float16))
    finally:
        set_track_meta(True)
    assert type(done) is torch.Tensor and done.dtype == torch.float32


@pytest.mark.parametrize("film", [film_of() - 0.5, film_of() * 2, film_of() * torch.nan])
def test_other_than_display_values_are_refused(film: torch.Tensor) -> None:
    """A normalised film would lose half of its values to the limits, and gamma would make NaN of them."""
    with pytest.raises(ValueError, match="augment display values, then normalise"):
        RandFilmAugment()(film)


def test_what_cannot_be_augmented() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4, 4\), not \(1, H, W\)"):
        RandFilmAugment()(torch.ones(3, 4, 4))
    with pytest.raises(ValueError, match="'flip'.* are not known: name some of rotate"):
        RandFilmAugment(operations=["rotate", "flip"])
    with pytest.raises(ValueError, match="are not known"):
        RandFilmAugment(operations=[])
    for wrong in ({"num_ops": -1}, {"num_ops": 14}, {"magnitude": 11.0}, {"magnitude_std": -1.0}, {"prob": 1.5}):
        with pytest.raises(ValueError, match="a magnitude from 0 to 10"):
            RandFilmAugment(**wrong)
