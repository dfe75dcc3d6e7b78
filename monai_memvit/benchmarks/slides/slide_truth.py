"""Whether the tiles that speak most for a lesion lie on it: simulated slides tell where theirs is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ...data.slides import TileIndex

__all__ = ["lesion_shares", "top_hits"]

_KIND = "lesion"


def lesion_shares(index: TileIndex, truth: Path) -> np.ndarray | None:
    """How much of every tile is lesion.

    Args:
        index: of the slide.
        truth: folder of GeoJSON files named like the slides, as ``simulate slides`` writes it.

    Returns:
        ``(N,)`` shares, in the order of the index; None where the slide has no lesion.

    Raises:
        ValueError: where the slide's file is missing.
    """
    path = truth / f"{Path(index.header['slide']['name']).stem}.geojson"
    if not path.is_file():
        raise ValueError(f"{path} is missing: give the truth of the very slides that were prepared")
    features: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["features"]
    rings = [
        ring
        for feature in features
        if feature["properties"]["classification"]["name"] == _KIND
        for ring in feature["geometry"]["coordinates"][:1]
    ]
    if not rings:
        return None
    mask = Image.new("1", tuple(index.header["slide"]["size"]))
    for ring in rings:
        ImageDraw.Draw(mask).polygon([tuple(point) for point in ring], fill=1)
    lesion = np.asarray(mask)
    places = zip(*(index.table[name].tolist() for name in ("x", "y", "width", "height")), strict=True)
    return np.array([lesion[y : y + height, x : x + width].mean() for x, y, width, height in places])


def top_hits(contributions: np.ndarray, shares: np.ndarray, top: int = 5) -> float:
    """Which share of the tiles that contribute most lies on the lesion, were it by a pixel.

    Args:
        contributions: ``(N,)``.
        shares: of the lesion, ``(N,)``.
        top: how many tiles are looked at.
    """
    first = np.argsort(-contributions, kind="stable")[:top]
    return float((shares[first] > 0).mean())
