"""What a way of reading a case memory is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from torch import Tensor

from ..case_rows import CaseRows
from ..class_moments import ClassMoments

__all__ = ["FittedReadout", "Readout"]


class FittedReadout(NamedTuple):
    """A read-out with everything chosen on the memory's own cases.

    Args:
        read: features ``(B, F)`` and logits of the head ``(B, K)`` -> probabilities ``(B, C)`` float64, C with the
            classes that only the memory knows.
        held_out: probabilities of the judged cases ``(J, C)``, each read without the cases of its own group.
        choices: what was chosen, by name, for people.
    """

    read: Callable[[Tensor, Tensor], Tensor]
    held_out: Tensor
    choices: dict[str, float]


class Readout(Protocol):
    """Something that fits itself to the cases of a memory."""

    def fit(self, cases: CaseRows, moments: ClassMoments, judged: Tensor) -> FittedReadout:
        """Choose whatever is free by the judged cases, each of which is read as if its group were absent.

        Args:
            cases: those with a class.
            moments: of these.
            judged: rows of the cases by which to choose ``(J,)``: cases that the weights have not seen.
        """
