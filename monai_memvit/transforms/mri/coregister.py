"""Bring the sequences of one patient onto the grid of one of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils import TraceKeys
from torch import Tensor

from .geometry import check_volume, same_grid
from .items import name_of, present_keys
from .registration import RegistrationOptions, register
from .registration_checks import lies_at_peak
from .registration_metric import VolumePair
from .resampling import Interpolation, check_interpolation, resample_volume
from .simpleitk_images import to_simpleitk

SameGrid = Literal["test", "keep", "register"]

__all__ = ["CoRegister", "CoRegisterD", "CoRegisterDict", "CoRegisterd"]


class CoRegister(InvertibleTransform):
    """Register a volume to a reference of the same patient and resample it onto the reference's grid.

    A volume on the reference's own grid may be aligned already (a co-registered data set; one scan without a pause):
    then it should be left as it is, bit for bit. One grid is no proof of that: the patient may have moved between two
    sequences of one prescription. So a quick test decides: where no shift by 2 mm and no turn by 2 degrees, about any
    axis, has more mutual information, the volume is left alone, else it is registered as any other.

    The result's ``meta["registration"]`` holds ``matrix`` (4 x 4 nested list: a point of the reference's world, RAS mm,
    to the same anatomy in the moving volume's), ``mutual_information_before`` and ``mutual_information_after`` (nats),
    ``identical_space``, ``succeeded`` and ``reason``. The inverse resamples back onto the volume's own grid.

    Args:
        options: of the registration; None: ``RegistrationOptions()``.
        interpolation: ``"linear"``, or ``"bspline"`` (cubic; sharper, slower; what it swings beyond the volume's range
            is cut off, so that no value turns negative that was not). Outside the volume is 0.
        on_failure: ``"raise"``, or ``"flag"``: the volume is resampled by the scanner's coordinates alone, and ``meta``
            says that and why.
        same_grid: what to do with a volume that is on the reference's grid already: ``"test"`` it as said above,
            ``"keep"`` it untested, or ``"register"`` it in any case.

    Raises:
        ValueError: when an argument is none of the above.
    """

    def __init__(
        self,
        options: RegistrationOptions | None = None,
        interpolation: Interpolation = "linear",
        on_failure: Literal["raise", "flag"] = "raise",
        same_grid: SameGrid = "test",
    ) -> None:
        check_interpolation(interpolation)
        if on_failure not in ("raise", "flag"):
            raise ValueError(f'on_failure must be "raise" or "flag", got {on_failure!r}.')
        if same_grid not in ("test", "keep", "register"):
            raise ValueError(f'same_grid must be "test", "keep" or "register", got {same_grid!r}.')
        self.options = options or RegistrationOptions()
        self.interpolation: Interpolation = interpolation
        self.on_failure = on_failure
        self.same_grid: SameGrid = same_grid

    def __call__(self, moving: MetaTensor, reference: MetaTensor, name: str = "") -> MetaTensor:
        """Register and resample.

        Args:
            moving: ``(1, X, Y, Z)``.
            reference: ``(1, X', Y', Z')``.
            name: of the moving sequence, for errors.

        Returns:
            ``(1, X', Y', Z')`` with the reference's affine; float32, unless it was left as it is.

        Raises:
            ValueError: naming sequence and file, for what is no volume, and for a failed registration if so asked.
        """
        found = self.find(moving, reference, name)
        result = moving.clone()
        if not found["identical_space"]:
            voxels = resample_volume(
                moving[0], moving.affine, reference.shape[1:], reference.affine, found["matrix"], self.interpolation
            )
            result = MetaTensor(torch.from_numpy(voxels)[None].to(moving.device)).copy_meta_from(moving)
        result.affine = reference.affine.clone()
        result.meta["registration"] = found
        if get_track_meta():
            extra = {key: found[key] for key in ("matrix", "identical_space")}
            extra["affine"] = moving.affine.tolist()
            self.push_transform(result, orig_size=tuple(moving.shape[1:]), extra_info=extra)
        return result

    def find(self, moving: MetaTensor, reference: MetaTensor, name: str = "") -> dict[str, Any]:
        """Register without resampling, for those who resample once, later.

        Args:
            moving: ``(1, X, Y, Z)``.
            reference: ``(1, X', Y', Z')``.
            name: of the moving sequence, for errors.

        Returns:
            what :meth:`__call__` stores as ``meta["registration"]``.

        Raises:
            ValueError: as :meth:`__call__`.
        """
        check_volume(reference, name_of(reference, "the reference"))
        check_volume(moving, name_of(moving, name))
        fixed_image = to_simpleitk(reference[0], reference.affine)
        image = to_simpleitk(moving[0], moving.affine)
        if self.same_grid != "register" and same_grid(moving, reference):
            pair = VolumePair(fixed_image, image, self.options)
            if self.same_grid == "keep" or lies_at_peak(pair, np.eye(4)):
                information = pair.mutual_information(np.eye(4))
                return _record(np.eye(4), information, information, identical_space=True)
        found = register(fixed_image, image, self.options)
        if found.succeeded:
            return _record(found.matrix, found.mutual_information_before, found.mutual_information_after)
        if self.on_failure == "raise":
            raise ValueError(
                f"{name_of(moving, name)}: the registration to {name_of(reference, 'the reference')} failed: "
                f"{found.reason}. Look at both volumes; leave the sequence out, or take the scanner's coordinates by "
                'on_failure="flag".'
            )
        before = found.mutual_information_before
        return _record(np.eye(4), before, before, reason=found.reason)

    def inverse(self, data: MetaTensor) -> MetaTensor:
        """Resample back onto the grid the volume came from.

        Args:
            data: ``(C, X', Y', Z')``, what ``__call__`` gave, or a mask in its place with its trace.

        Returns:
            ``(C, X, Y, Z)`` with the moving volume's affine.
        """
        trace = self.pop_transform(data)
        done = trace[TraceKeys.EXTRA_INFO]
        result = data.clone()
        affine = torch.as_tensor(done["affine"], dtype=torch.float64)
        if not done["identical_space"]:
            back = np.linalg.inv(np.asarray(done["matrix"], dtype=np.float64))
            size = tuple(int(n) for n in trace[TraceKeys.ORIG_SIZE])
            channels = [
                resample_volume(channel, data.affine, size, affine, back, self.interpolation) for channel in data
            ]
            result = MetaTensor(torch.from_numpy(np.stack(channels)).to(data.device)).copy_meta_from(data)
        result.affine = affine
        result.meta.pop("registration", None)
        return result


class CoRegisterd(MapTransform, InvertibleTransform):
    """Dictionary version of :class:`CoRegister`: all sequences onto the reference's grid; the reference stays as it is.

    Args:
        keys: sequences to register; the reference may be among them.
        reference: the sequence that the others are brought to.
        options: of the registration; None: ``RegistrationOptions()``.
        interpolation: as in :class:`CoRegister`.
        on_failure: as in :class:`CoRegister`.
        same_grid: as in :class:`CoRegister`.
        workers: sequences that are registered at the same time, in threads; the result does not depend on it.
        allow_missing_keys: pass over sequences that are missing or None; the reference may never be.

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(
        self,
        keys: KeysCollection,
        reference: str = "t1gd",
        options: RegistrationOptions | None = None,
        interpolation: Interpolation = "linear",
        on_failure: Literal["raise", "flag"] = "raise",
        same_grid: SameGrid = "test",
        workers: int = 1,
        allow_missing_keys: bool = True,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}.")
        self.reference = reference
        self.workers = workers
        self.coregister = CoRegister(options, interpolation, on_failure, same_grid)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Any]:
        """Register each sequence.

        Args:
            data: item with the sequences.

        Returns:
            the item, with all sequences of ``keys`` on one grid.

        Raises:
            ValueError: when the reference is missing, and as :class:`CoRegister`.
        """
        reference: Any = data.get(self.reference)
        if reference is None:
            raise ValueError(f"the item has no reference {self.reference!r}: give it, or choose another reference.")
        keys = [key for key in present_keys(self, data) if key != self.reference]
        with ThreadPoolExecutor(self.workers) as threads:
            moved = threads.map(lambda key: self.coregister(data[key], reference, key), keys)
            return {**data, **dict(zip(keys, moved))}

    def inverse(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Any]:
        """Bring each sequence back onto its own grid.

        Args:
            data: what ``__call__`` gave.

        Returns:
            the item, with the sequences of ``keys`` on their own grids.
        """
        keys = [key for key in present_keys(self, data) if key != self.reference]
        return {**data, **{key: self.coregister.inverse(data[key]) for key in keys}}


def _record(
    matrix: Any, before: float, after: float, identical_space: bool = False, reason: str = ""
) -> dict[str, Any]:
    return {
        "matrix": matrix.tolist(),
        "mutual_information_before": before,
        "mutual_information_after": after,
        "identical_space": identical_space,
        "succeeded": not reason,
        "reason": reason,
    }


CoRegisterD = CoRegisterDict = CoRegisterd
