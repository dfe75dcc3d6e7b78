"""How a case memory is read: by a closed-form linear head, by its neighbours, or by both and the network's own head."""

from __future__ import annotations

from .head import HeadReadout
from .mixture import MixtureReadout
from .neighbours import NeighbourReadout
from .readout import FittedReadout, Readout
from .ridge import RidgeReadout

__all__ = ["FittedReadout", "HeadReadout", "MixtureReadout", "NeighbourReadout", "Readout", "RidgeReadout"]
