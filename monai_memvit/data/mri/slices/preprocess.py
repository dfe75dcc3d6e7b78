"""One case: from the files of its sequences to a stack of registered, normalised slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metadata import tracked_metadata
from ..studies import Study
from .head_size import check_head_size
from .pipeline import MriPipeline
from .prepared_case import PreparedCase
from .sequence_places import affine_of, place_sequence
from .shown_brain import shown_brain, slices_shown
from .slice_grid import SliceGrid, onto_slices, slice_grid
from .slice_masks import MaskOnSlices, brain_on_slices, tumour_on_slices

if TYPE_CHECKING:
    from monai.data.meta_tensor import MetaTensor

__all__ = ["preprocess_study"]

_RATIO_MAPS = ("apt",)  # signed percentages: the coils' shading cancels in them, and N4 takes logarithms

Volumes = Mapping[str, "MetaTensor"]
Places = Mapping[str, "dict[str, Any] | None"]


@tracked_metadata()
def preprocess_study(study: Study, pipeline: MriPipeline) -> PreparedCase:
    """Load, check, register, correct, resample and normalise the sequences of one study.

    Registration says where a point of the reference lies in each sequence; every sequence is then sampled once, at the
    pixels of the reference's slices (see ``slice_grid``). The brain is the mask that came with the study, else what
    ``pipeline.brain_mask`` finds, by default :func:`monai_memvit.transforms.mri.foreground_mask`. Masks may lie on any
    grid in the world of the reference. A sequence that shows less than half of the brain in a slice, or one value in
    more than half of it, is absent from that slice.

    Args:
        study: its files.
        pipeline: what is done to them.

    Returns:
        The prepared case.

    Raises:
        ValueError: naming the file and the remedy: for what is no volume, an empty mask, or a failed registration.
    """
    volumes = _load(study, pipeline)
    reference = volumes[pipeline.reference]
    grid = slice_grid(affine_of(reference), tuple(reference.shape[1:]), pipeline.size, pipeline.spacing_mm)
    brain = brain_on_slices(study.brain_mask, reference, grid, pipeline.brain_mask)
    mask, may_be_empty = study.tumour_mask, pipeline.empty_tumour_mask == "normal"
    tumour = None if mask is None else tumour_on_slices(mask, brain, grid, may_be_empty)
    places = {name: place_sequence(name, volume, reference, brain.centre, pipeline) for name, volume in volumes.items()}
    sampled = {name: _sampled(name, volume, places[name], grid, pipeline) for name, volume in volumes.items()}
    shown = {
        name: shown_brain(name, volume, sampled[name], _matrix(places[name]), brain, grid)
        for name, volume in volumes.items()
    }
    image, normalized = _stack(sampled, shown, grid, pipeline)
    slices: NDArray[np.bool_] = np.stack([slices_shown(shown.get(name), brain) for name in pipeline.sequences], axis=1)
    image[~slices] = 0.0
    channel_mask: NDArray[np.bool_] = np.asarray(slices.any(axis=0))
    record = {
        "pipeline": pipeline.as_dict(),
        "affine": grid.affine.tolist(),
        "channel_mask": channel_mask.tolist(),
        "slice_channel_mask": slices.tolist(),
        "sequences": {name: _history(study, name, places[name], normalized[name]) for name in volumes},
        "places_assumed": [name for name, volume in volumes.items() if volume.meta["place_assumed"]],
        **_chosen(brain, np.asarray(slices.any(axis=1)), pipeline.min_brain_share),
        **_areas(brain, tumour, grid),
    }
    case = PreparedCase(image, brain.inside, None if tumour is None else tumour.inside, channel_mask, record)
    after = {name: pixels[case.fullest_slice] for name, pixels in sampled.items()}
    return replace(case, before=_before(volumes, places, grid.only(case.fullest_slice)), after=after)


def _load(study: Study, pipeline: MriPipeline) -> Volumes:
    from ..sources.load_volume import load_volume

    if pipeline.reference not in study.sequences:
        raise ValueError(
            f"it has no {pipeline.reference}, the reference: give that sequence, or name another reference"
        )
    sources = {name: study.sequences[name] for name in pipeline.sequences if name in study.sequences}
    volumes = {name: load_volume(source) for name, source in sources.items()}
    for name, volume in volumes.items():
        check_head_size(volume, f"{name} ({sources[name].files[0]})")
    return volumes


def _matrix(place: dict[str, Any] | None) -> NDArray[np.float64]:
    return np.eye(4) if place is None else np.array(place["matrix"])


def _sampled(
    name: str, volume: MetaTensor, place: dict[str, Any] | None, grid: SliceGrid, pipeline: MriPipeline
) -> NDArray[np.float32]:
    """One sequence at the pixels of the slices, ``(S, H, W)``."""
    from ....transforms.mri.bias_field import CorrectBiasField

    if pipeline.bias_field and name not in _RATIO_MAPS:
        volume = CorrectBiasField()(volume, name=name)
    return onto_slices(volume[0].numpy(), affine_of(volume), grid, _matrix(place))


def _stack(
    sampled: Mapping[str, NDArray[np.float32]],
    shown: Mapping[str, NDArray[np.bool_]],
    grid: SliceGrid,
    pipeline: MriPipeline,
) -> tuple[NDArray[np.float16], dict[str, Any]]:
    """Normalise within the brain and stack: ``(S, C, H, W)``, and mean and deviation of each sequence."""
    import torch
    from monai.data.meta_tensor import MetaTensor

    from ....transforms.mri.normalize_in_mask import NormalizeInMask
    from ....transforms.mri.stack_sequences import StackSequencesd

    normalize, affine = NormalizeInMask(), torch.from_numpy(grid.affine)
    normalized: dict[Any, Any] = {
        name: normalize(MetaTensor(torch.from_numpy(pixels)[None], affine=affine), shown[name][None], name)
        for name, pixels in sampled.items()
    }
    image = StackSequencesd(pipeline.sequences, reference=pipeline.reference)(normalized)["image"]
    told = {name: volume.meta["normalization"] for name, volume in normalized.items()}
    return np.ascontiguousarray(image.numpy().swapaxes(0, 1), dtype=np.float16), told


def _history(study: Study, name: str, place: dict[str, Any] | None, normalization: Any) -> dict[str, Any]:
    source = study.sequences[name]
    return {
        "files": [path.name for path in source.files],
        "description": source.description,
        "score": source.score,
        "reason": source.reason,
        "registration": place,
        "normalization": normalization,
    }


def _chosen(brain: MaskOnSlices, seen: NDArray[np.bool_], min_share: float) -> dict[str, list[int]]:
    """Slices with enough brain: those that a sequence shows, and those that none does."""
    areas = brain.inside.sum(axis=(1, 2))
    enough = (areas > 0) & (areas >= min_share * areas.max())
    if not (enough & seen).any():
        raise ValueError(
            f"no sequence shows half of the brain in any of the {enough.sum()} slices that have enough of it: look "
            "whether the brain mask and the images are of one head"
        )
    return {
        name: np.flatnonzero(enough & by).tolist() for name, by in (("slices_kept", seen), ("slices_unseen", ~seen))
    }


def _areas(brain: MaskOnSlices, tumour: MaskOnSlices | None, grid: SliceGrid) -> dict[str, Any]:
    pixel_mm2 = float(grid.spacing[1] * grid.spacing[2])
    areas = brain.inside.sum(axis=(1, 2)) * pixel_mm2
    return {
        "brain_area_mm2": areas.tolist(),
        "tumour_area_mm2": None if tumour is None else (tumour.inside.sum(axis=(1, 2)) * pixel_mm2).tolist(),
        "brain_cut_share": brain.cut_share,
        "tumour_cut_share": None if tumour is None else tumour.cut_share,
        "tumour_in_brain_share": None if tumour is None else tumour.share_within(brain),
    }


def _before(volumes: Volumes, places: Places, slice_: SliceGrid) -> dict[str, np.ndarray]:
    """One slice of every moved sequence where its file says that it is."""
    return {
        name: onto_slices(volume[0].numpy(), affine_of(volume), slice_)[0]
        for name, volume in volumes.items()
        if (place := places[name]) is not None and not place["identical_space"]
    }
