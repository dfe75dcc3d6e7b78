"""From tissue parameters to signal: the equations of the five sequences of a glioma protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from .tissues import Tissue

__all__ = [
    "PROTOCOL",
    "AsymmetryMap",
    "InversionRecovery",
    "PulseSequence",
    "SpinEcho",
    "SpoiledGradientEcho",
    "enhanced",
]

# Gadobutrol in plasma at 3 T, in l/(mmol s): Szomolanyi 2019, Invest Radiol 54:559 (4.97); Rohrer 2005, ibid. 40:715.
_R1_RELAXIVITY, _R2_RELAXIVITY = 5.0, 7.1


class PulseSequence(Protocol):
    """What a scanner plays out; times in ms."""

    def signal(self, tissue: Tissue) -> float:
        """Signal of a voxel full of ``tissue``."""


@dataclass(frozen=True)
class SpoiledGradientEcho:
    """Ernst's steady state: ``PD sin(a) (1 - E1) / (1 - E1 cos(a)) exp(-TE / T2*)`` with ``E1 = exp(-TR / T1)``.

    Args:
        tr: repetition time in ms.
        te: echo time in ms.
        flip_angle: in degrees.
        contrast_agent: whether it is acquired after the contrast agent.
    """

    tr: float
    te: float
    flip_angle: float
    contrast_agent: bool = False

    def signal(self, tissue: Tissue) -> float:
        """Signal of a voxel full of ``tissue``.

        Args:
            tissue: parameters without contrast agent, and its concentration.
        """
        seen = enhanced(tissue) if self.contrast_agent else tissue
        angle, e1 = math.radians(self.flip_angle), math.exp(-self.tr / seen.t1)
        steady = math.sin(angle) * (1.0 - e1) / (1.0 - e1 * math.cos(angle))
        return seen.pd * steady * math.exp(-self.te / seen.t2_star)


@dataclass(frozen=True)
class SpinEcho:
    """Spin echo, turbo spin echo at its effective echo time: ``PD (1 - exp(-TR / T1)) exp(-TE / T2)``.

    Args:
        tr: repetition time in ms.
        te: (effective) echo time in ms.
    """

    tr: float
    te: float

    def signal(self, tissue: Tissue) -> float:
        """Signal of a voxel full of ``tissue``.

        Args:
            tissue: its parameters.
        """
        return tissue.pd * (1.0 - math.exp(-self.tr / tissue.t1)) * math.exp(-self.te / tissue.t2)


@dataclass(frozen=True)
class InversionRecovery:
    """Inversion recovery spin echo: ``PD (1 - 2 exp(-TI / T1) + exp(-TR / T1)) exp(-TE / T2)``, with its sign.

    Args:
        tr: repetition time in ms.
        te: (effective) echo time in ms.
        ti: inversion time in ms.
    """

    tr: float
    te: float
    ti: float

    def signal(self, tissue: Tissue) -> float:
        """Signal of a voxel full of ``tissue``, negative where it has not yet passed through zero.

        Args:
            tissue: its parameters.
        """
        recovered = 1.0 - 2.0 * math.exp(-self.ti / tissue.t1) + math.exp(-self.tr / tissue.t1)
        return tissue.pd * recovered * math.exp(-self.te / tissue.t2)


@dataclass(frozen=True)
class AsymmetryMap:
    """Amide-proton-transfer weighting: the scanner's map ``(S(-3.5 ppm) - S(+3.5 ppm)) / S0`` in percent.

    Args:
        tr: repetition time in ms.
        te: echo time in ms.
    """

    tr: float
    te: float

    def signal(self, tissue: Tissue) -> float:
        """Asymmetry of a voxel full of ``tissue``, in percent.

        Args:
            tissue: its parameters.
        """
        return tissue.apt


PROTOCOL: Mapping[str, PulseSequence] = {
    "t1": SpoiledGradientEcho(tr=18.0, te=4.0, flip_angle=20.0),
    "t2": SpinEcho(tr=4500.0, te=90.0),
    "flair": InversionRecovery(tr=9000.0, te=120.0, ti=2430.0),
    "t1gd": SpoiledGradientEcho(tr=18.0, te=4.0, flip_angle=20.0, contrast_agent=True),
    "apt": AsymmetryMap(tr=3000.0, te=7.0),
}


def enhanced(tissue: Tissue) -> Tissue:
    """Shorten relaxation times by the contrast agent: ``1 / T = 1 / T0 + r C``.

    Args:
        tissue: parameters without contrast agent, and its concentration.

    Returns:
        The tissue as it is seen after the injection.
    """
    r1, r2 = (1e-3 * rate * tissue.gadolinium for rate in (_R1_RELAXIVITY, _R2_RELAXIVITY))
    return replace(
        tissue,
        t1=1.0 / (1.0 / tissue.t1 + r1),
        t2=1.0 / (1.0 / tissue.t2 + r2),
        t2_star=1.0 / (1.0 / tissue.t2_star + r2),
    )
