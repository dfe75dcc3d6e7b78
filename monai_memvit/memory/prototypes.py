"""Prototypical attention learning: a few facts that stand for all (MoViT, eq. (3) and (4))."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .kernels import KeyKernel, directions
from .mmd import check_cross_coefficient, herd, mmd_squared, resolve_kernel
from .prototype_values import average_values

__all__ = ["PrototypicalAttentionLearning", "Prototypes"]


class Prototypes(NamedTuple):
    """What distillation chose.

    Args:
        keys: chosen keys ``(P, H, d)``, unchanged.
        values: their values by eq. (4), ``(P, H, d)``.
        rows: the sample of the chosen fact, ``(P, H)`` int64, an index into S.
        effective_sample_size: over how many facts a value averages in effect, ``(P, H)`` float32.
        mmd: eq. (3) of the choice, ``(H,)`` float32; 0 is perfect with ``cross_coefficient=2``.
    """

    keys: Tensor
    values: Tensor
    rows: Tensor
    effective_sample_size: Tensor
    mmd: Tensor


class PrototypicalAttentionLearning:
    """Distils a memory into prototypes, greedily by eq. (3) and with values averaged by eq. (4).

    Keys are compared by direction. The defaults correct the paper where it cannot be followed as printed: the cross
    term of eq. (3) has factor 2, and eq. (4), which is circular, is applied once, starting from the value stored with
    the chosen key. At the paper's ``tau`` a value averages over most of the memory: watch ``effective_sample_size``,
    and lower ``tau`` or take ``neighbourhood="assigned"`` to keep prototypes apart.

    Args:
        num_prototypes: P per head; the paper takes 32 per class.
        tau: temperature of eq. (4).
        cross_coefficient: factor of the cross term in eq. (3), in (0, 2]; 1 is as printed.
        kernel: D of eq. (3): ``"cosine"``, ``"rbf"`` or a :class:`KeyKernel`.
        scope: ``"head"`` chooses for each head among its own facts; ``"pooled"`` chooses one set among the facts of all
            heads together, which every head then uses.
        stratify: ``"class"`` shares the prototypes evenly over the classes that occur (remainder to the first, and
            what a small class cannot give to the others) and chooses within each; False ignores labels, as the paper.
        value_mode: weights of eq. (4) by the similarity of values (``"paired"``) or keys (``"key"``), or the stored
            value as it is (``"none"``).
        neighbourhood: eq. (4) over ``"all"`` facts, or over those ``"assigned"`` to a prototype, that is most similar
            to it among all prototypes.

    Raises:
        ValueError: when an argument is out of range or unknown.
    """

    def __init__(
        self,
        num_prototypes: int,
        tau: float = 0.5,
        cross_coefficient: float = 2.0,
        kernel: str | KeyKernel = "cosine",
        scope: str = "head",
        stratify: bool | str = False,
        value_mode: str = "paired",
        neighbourhood: str = "all",
    ) -> None:
        if num_prototypes < 1:
            raise ValueError(f"num_prototypes must be at least 1, got {num_prototypes}.")
        if not tau > 0:
            raise ValueError(f"tau must be positive, got {tau}.")
        check_cross_coefficient(cross_coefficient)
        _one_of("scope", scope, ("head", "pooled"))
        _one_of("stratify", stratify, (False, "class"))
        _one_of("value_mode", value_mode, tuple(_VALUE_MODES))
        _one_of("neighbourhood", neighbourhood, ("all", "assigned"))
        self.num_prototypes = num_prototypes
        self.tau = tau
        self.cross_coefficient = cross_coefficient
        self.kernel = resolve_kernel(kernel)
        self.scope = scope
        self.stratify = stratify
        self.value_mode = value_mode
        self.neighbourhood = neighbourhood

    @torch.no_grad()
    def __call__(self, keys: Tensor, values: Tensor, labels: Tensor | None = None) -> Prototypes:
        """Distil.

        Args:
            keys: ``(S, H, d)``, on any device.
            values: ``(S, H, d)``.
            labels: classes ``(S,)`` of the samples, for ``stratify="class"``.

        Returns:
            :class:`Prototypes` with P = min(num_prototypes, S), on the device of the keys.

        Raises:
            ValueError: when there are no facts, shapes do not fit, numbers are not finite, or labels are missing.
        """
        _check_facts(keys, values)
        count = self._count(len(keys))
        heads = keys.shape[1]
        pooled = self.scope == "pooled"
        if pooled:  # fact s * H + h of one head that holds them all
            keys, values = keys.reshape(-1, 1, keys.shape[2]), values.reshape(-1, 1, values.shape[2])
        classes = self._classes(labels, len(keys), heads if pooled else 1, keys.device)
        parts = [self._distil_head(keys[:, h], values[:, h], count, classes) for h in range(keys.shape[1])]
        chosen, averaged, rows, sizes = (torch.stack(column, dim=1) for column in zip(*parts, strict=True))
        mmd = mmd_squared(chosen, keys, self.cross_coefficient, self.kernel).float()
        found = Prototypes(chosen, averaged, rows, sizes, mmd)
        return _share(found, heads) if pooled else found

    def _count(self, samples: int) -> int:
        if self.num_prototypes > samples:
            warnings.warn(
                f"{self.num_prototypes} prototypes were asked for, but the memory holds {samples} facts per head: "
                f"taking {samples}.",
                stacklevel=3,
            )
        return min(self.num_prototypes, samples)

    def _classes(self, labels: Tensor | None, facts: int, repeats: int, device: torch.device) -> list[Tensor] | None:
        """The rows of each class that occurs, or None without stratification."""
        if not self.stratify:
            return None
        if labels is None:
            raise ValueError('stratify="class" needs the labels of the stored samples.')
        labels = torch.as_tensor(labels, device=device).repeat_interleave(repeats)
        if labels.shape != (facts,):
            raise ValueError(f"labels must be ({facts // repeats},), one per sample, got {len(labels) // repeats}.")
        return [(labels == label).nonzero()[:, 0] for label in labels.unique()]

    def _distil_head(
        self, keys: Tensor, values: Tensor, count: int, classes: list[Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Keys, values, rows and effective sample sizes of one head's prototypes."""
        units = directions(keys)
        kernel = self.kernel.fitted(units)
        if classes is None:
            rows = herd(units, count, kernel, self.cross_coefficient)
        else:
            shares = _even_shares(count, [len(members) for members in classes])
            chosen = (
                members[herd(units[members], share, kernel, self.cross_coefficient)]
                for members, share in zip(classes, shares, strict=True)
            )
            rows = torch.cat(list(chosen))
        averaged, sizes = _VALUE_MODES[self.value_mode](keys, values, rows, self.tau, self.neighbourhood == "assigned")
        return keys[rows], averaged, rows, sizes


_ValueMode = Callable[[Tensor, Tensor, Tensor, float, bool], "tuple[Tensor, Tensor]"]


def _by_value(keys: Tensor, values: Tensor, rows: Tensor, tau: float, assigned: bool) -> tuple[Tensor, Tensor]:
    return average_values(values, values, rows, tau, assigned)


def _by_key(keys: Tensor, values: Tensor, rows: Tensor, tau: float, assigned: bool) -> tuple[Tensor, Tensor]:
    return average_values(keys, values, rows, tau, assigned)


def _as_stored(keys: Tensor, values: Tensor, rows: Tensor, tau: float, assigned: bool) -> tuple[Tensor, Tensor]:
    return values[rows], torch.ones(len(rows), device=values.device)


_VALUE_MODES: dict[str, _ValueMode] = {"paired": _by_value, "key": _by_key, "none": _as_stored}


def _even_shares(count: int, sizes: Sequence[int]) -> list[int]:
    """Hands out ``count`` prototypes in rounds, one per class that still has facts."""
    if count < len(sizes):
        raise ValueError(f"{count} prototypes cannot stand for {len(sizes)} classes: ask for at least one per class.")
    shares = [0] * len(sizes)
    while sum(shares) < count:
        open_classes = [i for i, size in enumerate(sizes) if shares[i] < size]
        for i in open_classes[: count - sum(shares)]:
            shares[i] += 1
    return shares


def _share(pooled: Prototypes, heads: int) -> Prototypes:
    """The one pooled set for every head; a fact's index becomes that of its sample."""
    keys, values, rows, sizes = (field.repeat_interleave(heads, dim=1) for field in pooled[:4])
    return Prototypes(keys, values, rows // heads, sizes, pooled.mmd.repeat(heads))


def _check_facts(keys: Tensor, values: Tensor) -> None:
    if keys.ndim != 3 or values.ndim != 3 or keys.shape[:2] != values.shape[:2]:
        raise ValueError(f"keys and values must be (S, H, d), got {tuple(keys.shape)} and {tuple(values.shape)}.")
    if not keys.numel():
        raise ValueError(f"there are no facts to distil: keys are {tuple(keys.shape)}.")
    for name, facts in (("keys", keys), ("values", values)):
        bad = int((~torch.isfinite(facts)).flatten(1).any(1).sum())
        if bad:
            raise ValueError(f"{bad} of {len(facts)} facts have {name} that are not finite: erase them first.")


def _one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {tuple(allowed)}, got {value!r}.")
