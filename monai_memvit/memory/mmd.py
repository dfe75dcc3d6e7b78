"""Maximum mean discrepancy between prototypes and all keys, and its exact greedy minimisation (MoViT, eq. (3))."""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import KERNELS, KeyKernel, directions

__all__ = ["check_cross_coefficient", "herd", "mmd_squared", "resolve_kernel"]

_TIE = 1e-12  # relative: differences below are rounding, and the lowest index wins


@torch.no_grad()
def mmd_squared(
    prototypes: Tensor, keys: Tensor, cross_coefficient: float = 2.0, kernel: str | KeyKernel = "cosine"
) -> Tensor:
    """Eq. (3): mean similarity within the prototypes, minus the cross term, plus mean similarity within the keys.

    Args:
        prototypes: ``(P, H, d)``.
        keys: ``(M, H, d)``.
        cross_coefficient: factor of the cross term: 2 is the squared discrepancy, 0 where the prototypes are all keys;
            1 is eq. (3) as printed, which is not.
        kernel: ``"cosine"`` (the paper's), ``"rbf"``, or a kernel of your own.

    Returns:
        ``(H,)``, at least 0.

    Raises:
        ValueError: when the shapes do not fit or an argument is out of range.
    """
    check_cross_coefficient(cross_coefficient)
    if prototypes.ndim != 3 or keys.ndim != 3 or prototypes.shape[1:] != keys.shape[1:] or not len(prototypes):
        raise ValueError(
            f"prototypes (P, H, d) and keys (M, H, d) must agree in H and d and not be empty, "
            f"got {tuple(prototypes.shape)} and {tuple(keys.shape)}."
        )
    kernel = resolve_kernel(kernel)
    chosen, units = directions(prototypes), directions(keys)
    return torch.stack([_head_mmd(chosen[:, h], units[:, h], cross_coefficient, kernel) for h in range(keys.shape[1])])


@torch.no_grad()
def herd(units: Tensor, count: int, kernel: KeyKernel, cross_coefficient: float = 2.0) -> Tensor:
    """Choose vectors one by one, each the best next one for eq. (3) given those before.

    With m vectors after the choice of c, eq. (3) times m^2 / 2, without what c does not change, is
    ``sum_s D(s, c) + D(c, c) / 2 - cross_coefficient / 2 * m * mean_i D(i, c)``; each pick takes the smallest, which
    costs one column of similarities, O(Md). For cosine and coefficient 2 this is kernel herding,
    ``argmax u_c . (m mean(u) - sum_s u_s)``. The lowest index wins a tie (up to rounding with ``"rbf"``).

    Args:
        units: ``(M, d)`` unit (or zero) vectors.
        count: how many to choose, at most M.
        kernel: a fitted kernel.
        cross_coefficient: factor of the cross term in eq. (3).

    Returns:
        indices ``(count,)`` int64 in the order of choice.
    """
    pull = cross_coefficient / 2 * kernel.mean(units, units)
    push = kernel.diagonal(units) / 2
    taken = torch.zeros(len(units), dtype=torch.bool, device=units.device)
    chosen = torch.empty(count, dtype=torch.int64, device=units.device)
    for m in range(1, count + 1):
        gain = (m * pull - push).masked_fill_(taken, float("-inf"))
        best = (gain >= gain.max() - _TIE * m).to(torch.uint8).argmax()
        chosen[m - 1], taken[best] = best, True
        push += kernel.gram(units, units[best, None])[:, 0]
    return chosen


def resolve_kernel(kernel: str | KeyKernel) -> KeyKernel:
    """A kernel by its name, or the kernel itself.

    Args:
        kernel: a name of :data:`KERNELS` or a kernel.

    Returns:
        the kernel.

    Raises:
        ValueError: when the name is unknown.
    """
    if not isinstance(kernel, str):
        return kernel
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {sorted(KERNELS)} or a kernel object, got {kernel!r}.")
    return KERNELS[kernel]()


def check_cross_coefficient(value: float) -> None:
    """Refuse a factor for which eq. (3) is not bounded below by 0.

    Args:
        value: factor of the cross term.

    Raises:
        ValueError: when it is not in (0, 2].
    """
    if not 0 < value <= 2:
        raise ValueError(f"cross_coefficient must lie in (0, 2] (2: true discrepancy, 1: as printed), got {value}.")


def _head_mmd(chosen: Tensor, units: Tensor, cross_coefficient: float, kernel: KeyKernel) -> Tensor:
    kernel = kernel.fitted(units)
    within_chosen, within_all = kernel.mean(chosen, chosen).mean(), kernel.mean(units, units).mean()
    # Rounding alone can take it below 0.
    return (within_chosen - cross_coefficient * kernel.mean(chosen, units).mean() + within_all).clamp_(min=0)
