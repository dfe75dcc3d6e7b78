"""Features of tiles without labels and without a download: answers to filters learned from the training slides."""

from __future__ import annotations

from pathlib import Path

import torch
from monai.data import Dataset
from monai.transforms import Compose
from tqdm import tqdm

from ...data import load_section
from ...data.datalist import SECTIONS
from ...data.slides import LoadSlideTilesd, TileIndex, save_tile_features
from ...networks.blocks import TileFilterEmbedding
from ...networks.filters import learn_filters
from ...transforms.pathology import StandardizeSlideColoursd

__all__ = ["NUM_FEATURES", "write_features"]

_FILTERS = 40
NUM_FEATURES = 2 * _FILTERS
_LEFT_OUT = ("background", "pen", "unreadable")


def write_features(data: Path, folder: Path, cache_dir: str = "", seed: int = 0) -> None:
    """Write the features of all slides of a datalist, of mean 0 and deviation 1 over the tiles of training slides.

    Args:
        data: folder made by `prepare slides` with labels.
        folder: gains one Parquet file per slide; a second call makes those that are missing.
        cache_dir: see :class:`LoadSlideTilesd`.
        seed: of the filters.
    """
    load = Compose([LoadSlideTilesd(leave_out=_LEFT_OUT, cache_dir=cache_dir), StandardizeSlideColoursd("image")])
    sections = {name: load_section(data / "datalist.json", name) for name in SECTIONS}
    paths = {item["image"]: folder / _file_name(item["image"]) for items in sections.values() for item in items}
    missing = [image for image, path in paths.items() if not path.exists()]
    if not missing:
        return
    embedding = TileFilterEmbedding(3, NUM_FEATURES, filters=_FILTERS).eval()
    torch.nn.init.eye_(embedding.projection.weight)
    torch.nn.init.zeros_(embedding.projection.bias)  # what learn_filters then makes of it: answers at scale
    learn_filters(embedding, Dataset(sections["training"], load), seed=seed)
    for image in tqdm(missing, desc="features"):
        slide = load({"image": image})
        with torch.no_grad():
            features = embedding.projection(embedding.answers(slide["image"]))
        paths[image].parent.mkdir(parents=True, exist_ok=True)
        save_tile_features(paths[image], features, slide["position_um"])


def _file_name(image: str) -> Path:
    return Path(TileIndex.load(image).header["slide"]["name"]).with_suffix(".parquet")
