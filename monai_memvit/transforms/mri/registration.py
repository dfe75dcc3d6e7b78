"""Rigid or affine registration of two volumes of one patient by Mattes mutual information."""

from __future__ import annotations

from typing import Any

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray

from .registration_checks import sign_of_failure
from .registration_metric import VolumePair
from .registration_options import Registration, RegistrationOptions
from .simpleitk_images import matrix_of, transform_of

sitk, _ = optional_import("SimpleITK", descriptor='registration needs SimpleITK: pip install "monai_memvit[mri]"')

__all__ = ["Registration", "RegistrationOptions", "mutual_information", "register"]

_Matrix = NDArray[np.float64]

_SMALLEST_STEP_MM = 1e-3
_ORTHOGONAL = 1e-6  # a rotation's rounding


def register(fixed: Any, moving: Any, options: RegistrationOptions | None = None) -> Registration:
    """Find the transform under which the two volumes tell most about each other.

    Mattes' mutual information (Mattes et al., IEEE TMI 22:120, 2003) is maximised from coarse to fine. On the coarsest
    level there are several starts: the scanner's coordinates, and the two fields of view or the two foregrounds laid
    centre on centre where that gives more mutual information; the best end is refined.

    Args:
        fixed: ``SimpleITK.Image``, the reference.
        moving: another, of the same head.
        options: what to find, how exactly, and what a failure is; None: ``RegistrationOptions()``.

    Returns:
        the transform, the gain, and whether it can be trusted.

    Raises:
        ValueError: when a volume has fewer than four voxels along an axis.
    """
    options = options or RegistrationOptions()
    pair = VolumePair(fixed, moving, options)
    before = pair.mutual_information(np.eye(4))
    try:
        start, matrix = _best_of_starts(pair)
        for level in range(1, len(options.levels_mm)):
            matrix = _settled(pair, matrix, level)
        if options.kind == "affine":
            matrix = _climbed(pair, matrix, -1, affine=True)
    except RuntimeError as error:  # ITK's: mostly, that the optimiser has left the moving volume
        said = str(error).splitlines()[-1].rpartition("): ")[2].partition(". ")[0]  # no address, no advice
        return Registration(np.eye(4), before, before, False, f"the optimiser gave up: {said}")
    after = pair.mutual_information(matrix)
    reason = sign_of_failure(pair, start, matrix, before, after)
    return Registration(matrix, before, after, not reason, reason)


def mutual_information(fixed: Any, moving: Any, matrix: _Matrix, options: RegistrationOptions | None = None) -> float:
    """Mattes mutual information of two volumes over the reference's foreground, at the finest level of the options.

    Args:
        fixed: ``SimpleITK.Image``, the reference.
        moving: another.
        matrix: ``(4, 4)``, maps points of the reference's world to the moving volume's, RAS mm.
        options: finest level, sample points, bins; None: ``RegistrationOptions()``.

    Returns:
        nats; 0 where the volumes do not overlap.

    Raises:
        ValueError: when a volume has fewer than four voxels along an axis.
    """
    pair = VolumePair(fixed, moving, options or RegistrationOptions())
    return pair.mutual_information(np.asarray(matrix, dtype=np.float64))


def _best_of_starts(pair: VolumePair) -> tuple[_Matrix, _Matrix]:
    """The start whose end is worth most on the coarsest level, and that end."""
    scanner = np.eye(4)
    middles = _translation(pair.moving.middle - pair.fixed.middle)
    centres = _translation(pair.moving.centre - pair.fixed.centre)
    laid = max(middles, centres, key=pair.worth)
    starts = [scanner] if pair.overlap(scanner) else []
    if not starts or pair.worth(laid) > pair.worth(scanner):
        starts.append(laid)
    return max(_ends(pair, starts), key=lambda found: pair.worth(found[1]))


def _ends(pair: VolumePair, starts: list[_Matrix]) -> list[tuple[_Matrix, _Matrix]]:
    """Starts, each with where it led to; one that led out of the volume is dropped unless it is the last hope."""
    ends, error = [], None
    for start in starts:
        try:
            ends.append((start, _climbed(pair, start, 0)))
        except RuntimeError as lost:
            error = lost
    if error is not None and not ends:
        raise error
    return ends


def _climbed(pair: VolumePair, matrix: _Matrix, level: int, affine: bool = False) -> _Matrix:
    """Up to the next peak by conjugate gradients with line searches: slow, but far, and never downhill."""
    side = pair.options.levels_mm[level]
    method = pair.method(level)
    method.SetOptimizerAsConjugateGradientLineSearch(
        learningRate=side,
        numberOfIterations=pair.options.iterations,
        lineSearchUpperLimit=3.0,
        lineSearchMaximumIterations=8,
        maximumStepSizeInPhysicalUnits=side,
    )
    return _optimised(method, pair, matrix, level, affine)


def _settled(pair: VolumePair, matrix: _Matrix, level: int) -> _Matrix:
    """To the top of a peak near by: steps that shrink at each turn."""
    method = pair.method(level)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=pair.options.levels_mm[level] / 2,
        minStep=_SMALLEST_STEP_MM,
        numberOfIterations=3 * pair.options.iterations,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-6,
    )
    return _optimised(method, pair, matrix, level, affine=False)


def _optimised(method: Any, pair: VolumePair, matrix: _Matrix, level: int, affine: bool) -> _Matrix:
    transform = _transform_about(pair.fixed.centre, matrix, affine)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(pair.fixed.levels[level], pair.moving.levels[level])
    return matrix_of(transform)


def _transform_about(centre: NDArray[np.float64], matrix: _Matrix, affine: bool) -> Any:
    """The matrix as parameters: a rotation about the head's centre moves the head least."""
    same = transform_of(matrix)
    middle = [-centre[0], -centre[1], centre[2]]  # LPS
    transform = sitk.AffineTransform(3) if affine else sitk.Euler3DTransform()
    transform.SetCenter(middle)
    transform.SetMatrix(same.GetMatrix(), *(() if affine else (_ORTHOGONAL,)))
    transform.SetTranslation(np.subtract(same.TransformPoint(middle), middle).tolist())
    return transform


def _translation(shift: NDArray[np.float64]) -> _Matrix:
    matrix = np.eye(4)
    matrix[:3, 3] = shift
    return matrix
