"""Mattes mutual information of two volumes at averaged resolutions, and where they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from monai.utils import optional_import
from numpy.typing import NDArray

from .registration_options import RegistrationOptions
from .simpleitk_images import affine_of, transform_of

sitk, _ = optional_import("SimpleITK", descriptor='registration needs SimpleITK: pip install "monai_memvit[mri]"')

__all__ = ["ScaledVolume", "VolumePair"]

_FEWEST_VOXELS = 8  # along an axis that is averaged
_MARGIN_MM = 8.0  # around the foreground: its border to the air tells much about the place
_POINTS = 4000  # of a foreground, to estimate overlaps


class ScaledVolume:
    """One volume averaged to larger voxels, its tails of grey values cut, and its foreground.

    Args:
        image: ``SimpleITK.Image``.
        levels_mm: sides to average to, coarse to fine.
    """

    def __init__(self, image: Any, levels_mm: Sequence[float]) -> None:
        self.levels = [_averaged(image, side) for side in levels_mm]

    @cached_property
    def foreground(self) -> Any:
        """Image of 0 and 1 at the coarsest level: above Otsu's threshold, with a margin of 8 mm."""
        coarse = self.levels[0]
        margin = [max(1, round(_MARGIN_MM / side)) for side in coarse.GetSpacing()]
        return sitk.BinaryDilate(sitk.OtsuThreshold(coarse, 0, 1), margin)

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """``(N, 4)`` homogeneous RAS mm: some voxels of the foreground, evenly."""
        voxels = np.argwhere(sitk.GetArrayViewFromImage(self.foreground).T)
        voxels = voxels[:: max(1, len(voxels) // _POINTS)]
        return np.c_[voxels, np.ones(len(voxels))] @ affine_of(self.foreground).T

    @property
    def middle(self) -> NDArray[np.float64]:
        """``(3,)`` RAS mm: the middle of the field of view."""
        size = np.asarray(self.levels[0].GetSize())
        return (affine_of(self.levels[0]) @ [*(size - 1) / 2, 1.0])[:3]

    @property
    def centre(self) -> NDArray[np.float64]:
        """``(3,)`` RAS mm: the centre of the foreground."""
        return self.points[:, :3].mean(0) if len(self.points) else self.middle

    def contains(self, points: NDArray[np.float64]) -> float:
        """Part of the points that are inside the field of view.

        Args:
            points: ``(N, 4)`` homogeneous RAS mm.

        Returns:
            0 to 1.
        """
        index = points @ np.linalg.inv(affine_of(self.levels[0])).T
        inside = (index[:, :3] >= -0.5) & (index[:, :3] <= np.asarray(self.levels[0].GetSize()) - 0.5)
        return float(inside.all(1).mean()) if len(points) else 0.0


class VolumePair:
    """A reference and a moving volume.

    Args:
        fixed: ``SimpleITK.Image``, the reference.
        moving: another.
        options: levels, sample points, bins, threads.

    Raises:
        ValueError: when a volume has fewer than four voxels along an axis.
    """

    def __init__(self, fixed: Any, moving: Any, options: RegistrationOptions) -> None:
        for name, image in {"reference": fixed, "moving volume": moving}.items():
            if min(image.GetSize()) < 4:
                raise ValueError(f"the {name} has {image.GetSize()} voxels: registration needs 4 or more on each axis.")
        self.options = options
        self.fixed = ScaledVolume(fixed, options.levels_mm)
        self.moving = ScaledVolume(moving, options.levels_mm)

    def method(self, level: int) -> Any:
        """A registration method with this metric, to be given an optimiser.

        Args:
            level: index into the levels; -1 is the finest.

        Returns:
            a ``SimpleITK.ImageRegistrationMethod`` whose metric is minus the mutual information in nats.
        """
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(self.options.threads)
        method.SetNumberOfWorkUnits(self.options.threads)
        method.SetMetricAsMattesMutualInformation(self.options.bins)
        method.SetMetricFixedMask(self.fixed.foreground)
        # Differences of neighbours: on noisy volumes three times as exact as the smoothed gradient, and faster.
        method.SetMetricUseMovingImageGradientFilter(False)
        method.SetMetricUseFixedImageGradientFilter(False)
        sides = self.options.levels_mm
        samples = self.options.samples * (sides[-1] / sides[level]) ** 2
        share = samples / self.fixed.levels[level].GetNumberOfPixels()
        method.SetMetricSamplingStrategy(method.RANDOM)  # anywhere in a voxel: no lattice pulls the volumes into line
        method.SetMetricSamplingPercentage(min(1.0, share), self.options.seed + 1)  # 0 would be the wall clock
        method.SetInterpolator(sitk.sitkLinear)
        return method

    def mutual_information(self, matrix: NDArray[np.float64], level: int = -1) -> float:
        """The metric at one place.

        Args:
            matrix: ``(4, 4)``, maps the reference's world to the moving volume's, RAS mm.
            level: index into the levels; -1 is the finest.

        Returns:
            nats; 0 where the volumes do not overlap.
        """
        if self.overlap(matrix) == 0:
            return 0.0
        method = self.method(level)
        method.SetInitialTransform(transform_of(matrix))
        return max(0.0, -float(method.MetricEvaluate(self.fixed.levels[level], self.moving.levels[level])))

    def worth(self, matrix: NDArray[np.float64]) -> float:
        """What ranks places: the mutual information on the coarsest level, less where little overlaps.

        Few points seem to tell much about each other, by chance.

        Args:
            matrix: ``(4, 4)``, maps the reference's world to the moving volume's, RAS mm.

        Returns:
            nats.
        """
        return self.mutual_information(matrix, 0) * min(1.0, self.overlap(matrix) / self.options.min_overlap)

    def overlap(self, matrix: NDArray[np.float64]) -> float:
        """Part of the one foreground that is inside the other field of view: the larger of the two parts.

        A slab of few slices inside a whole head overlaps fully, which is what is asked for.

        Args:
            matrix: ``(4, 4)``, maps the reference's world to the moving volume's, RAS mm.

        Returns:
            0 to 1.
        """
        forth = self.moving.contains(self.fixed.points @ matrix.T)
        back = self.fixed.contains(self.moving.points @ np.linalg.inv(matrix).T)
        return max(forth, back)


def _averaged(image: Any, side: float) -> Any:
    factors = [
        max(1, min(round(side / spacing), size // _FEWEST_VOXELS))
        for spacing, size in zip(image.GetSpacing(), image.GetSize())
    ]
    smaller = sitk.Cast(sitk.BinShrink(image, factors) if max(factors) > 1 else image, sitk.sitkFloat32)
    values = sitk.GetArrayViewFromImage(smaller).ravel()
    low, high = np.percentile(values[:: max(1, len(values) // 200_000)], (0.5, 99.5))
    # a few bright voxels, vessels say, would leave all tissue in one or two bins
    return sitk.Clamp(smaller, sitk.sitkFloat32, float(low), float(high)) if low < high else smaller
