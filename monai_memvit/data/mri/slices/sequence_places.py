"""Where a point of the reference lies in another sequence of the study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .moved_sequence import shift_and_rotation
from .pipeline import MriPipeline

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor

__all__ = ["affine_of", "place_sequence"]


def affine_of(volume: MetaTensor) -> NDArray[np.float64]:
    """Return the ``(4, 4)`` affine of a volume, voxel index to RAS mm.

    Args:
        volume: ``(1, X, Y, Z)``.
    """
    return np.asarray(volume.affine, dtype=np.float64)


def place_sequence(
    name: str, volume: MetaTensor, reference: MetaTensor, centre: NDArray[np.float64], pipeline: MriPipeline
) -> dict[str, Any] | None:
    """Register a sequence to the reference.

    Args:
        name: of the sequence.
        volume: ``(1, X, Y, Z)``.
        reference: likewise.
        centre: of the brain, RAS mm.
        pipeline: whether and how to register, and what to do where that fails.

    Returns:
        What :meth:`monai_memvit.transforms.mri.CoRegister.find` says, with ``shift_mm`` of the centre and
        ``rotation_degrees``; None for the reference itself and where nothing is registered.

    Raises:
        ValueError: where registration failed and that shall be an error.
    """
    options = pipeline.registration()
    if name == pipeline.reference or options is None:
        return None
    from monai.transforms import Orientation

    from ....transforms.mri.coregister import CoRegister

    upright = Orientation(axcodes="RAS", labels=None)  # one grid is recognised in whatever order its voxels are stored
    coregister = CoRegister(options, on_failure=pipeline.on_failure, same_grid=pipeline.same_grid)
    found = coregister.find(upright(volume), upright(reference), name)
    shift, rotation = shift_and_rotation(np.array(found["matrix"]), centre)
    return {**found, "shift_mm": shift, "rotation_degrees": rotation}
