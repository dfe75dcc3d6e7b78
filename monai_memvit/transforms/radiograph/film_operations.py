"""What a film may undergo in training without ceasing to be that film: small turns, other exposures, other filters."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, log, pi, sin

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

__all__ = ["GEOMETRIC", "TONAL"]

Matrix = NDArray[np.float64]


def _rotate(amount: float) -> Matrix:
    angle = amount * pi / 6
    return np.array([[cos(angle), -sin(angle), 0], [sin(angle), cos(angle), 0], [0, 0, 1]])


def _scale(amount: float) -> Matrix:
    factor = np.exp(-amount * log(1.5))
    return np.diag([factor, factor, 1.0])


def _shear_rows(amount: float) -> Matrix:
    return np.array([[1, 0.3 * amount, 0], [0, 1, 0], [0, 0, 1.0]])


def _shear_columns(amount: float) -> Matrix:
    return np.array([[1, 0, 0], [0.3 * amount, 1, 0], [0, 0, 1.0]])


def _move_rows(amount: float) -> Matrix:
    return np.array([[1, 0, 0.2 * amount], [0, 1, 0], [0, 0, 1.0]])


def _move_columns(amount: float) -> Matrix:
    return np.array([[1, 0, 0], [0, 1, 0.2 * amount], [0, 0, 1.0]])


def _contrast(film: Tensor, amount: float, seed: int) -> Tensor:
    mean = film.mean()
    return (film - mean) * (1 + 0.9 * amount) + mean


def _brightness(film: Tensor, amount: float, seed: int) -> Tensor:
    return film * (1 + 0.9 * amount)


def _gamma(film: Tensor, amount: float, seed: int) -> Tensor:
    return film.pow(2.0**amount)


def _sharpness(film: Tensor, amount: float, seed: int) -> Tensor:
    return torch.lerp(film, _smooth(film), -0.9 * amount)


def _blur(film: Tensor, amount: float, seed: int) -> Tensor:
    return torch.lerp(film, _smooth(film), abs(amount))


def _smooth(film: Tensor) -> Tensor:
    """The film as its means over squares of about 1/512 of its longer side, two pixels at least."""
    width = max(2, round(max(film.shape[1:]) / 512))
    means = avg_pool2d(film[None], width, ceil_mode=True, count_include_pad=False)
    return interpolate(means, size=film.shape[1:], mode="bilinear")[0]


def _noise(film: Tensor, amount: float, seed: int) -> Tensor:
    generator = torch.Generator(film.device).manual_seed(seed)
    noise = torch.randn(film.shape, generator=generator, device=film.device)
    return film + 0.1 * abs(amount) * noise


def _equalize(film: Tensor, amount: float, seed: int) -> Tensor:
    """As far as ``amount`` says towards equal shares of all grey values; black stays black, and does not count."""
    sample = film[:, ::4, ::4] if min(film.shape[1:]) >= 256 else film
    lit = sample[sample > 0]
    if not lit.numel():
        return film
    share = torch.histc(lit, bins=_TONES, min=0, max=1).cumsum(0) / lit.numel()
    table = torch.lerp(torch.linspace(0, 1, _TONES, device=film.device), share, abs(amount))
    table[0] = 0
    return table[(film * (_TONES - 1)).round_().to(torch.int32)]


_TONES = 1024

# name -> 3 x 3 matrix (row, column, 1), from a place in the result to that in the film, in pixels from its centre but
# for the shift, which is in shares of its sides. None mirrors: the heart stays on its side.
GEOMETRIC: dict[str, Callable[[float], Matrix]] = {
    "rotate": _rotate,
    "scale": _scale,
    "shear_rows": _shear_rows,
    "shear_columns": _shear_columns,
    "move_rows": _move_rows,
    "move_columns": _move_columns,
}

# name -> film (1, H, W) in [0, 1], amount, seed -> film, not clipped.
TONAL: dict[str, Callable[[Tensor, float, int], Tensor]] = {
    "contrast": _contrast,
    "brightness": _brightness,
    "gamma": _gamma,
    "sharpness": _sharpness,
    "blur": _blur,
    "noise": _noise,
    "equalize": _equalize,
}
