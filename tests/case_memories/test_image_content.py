"""Equal images are found whatever file they lie in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from monai_memvit.case_memories.image_content import image_content, known_contents, repeated_images


def saved(path: Path, pixels: np.ndarray) -> dict[str, str]:
    Image.fromarray(pixels).save(path)
    return {"image": str(path)}


def test_pixels_count_not_files(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    one, other = saved(tmp_path / "a.png", pixels), saved(tmp_path / "b.bmp", pixels)
    assert image_content(one) == image_content(other) != image_content(saved(tmp_path / "c.png", 255 - pixels))


def test_slices_of_a_stack_are_images(tmp_path):
    stack = np.random.default_rng(0).normal(size=(4, 2, 5, 5)).astype(np.float16)
    stack[3] = stack[1]
    np.save(tmp_path / "s.npy", stack)
    contents = [image_content({"image": str(tmp_path / "s.npy"), "slice": n}) for n in range(4)]
    assert contents[1] == contents[3] and len(set(contents)) == 3


def test_other_files_count_by_their_bytes_and_unreadable_ones_not_at_all(tmp_path):
    for name in ("a.parquet", "b.parquet"):
        (tmp_path / name).write_bytes(b"the same")
    assert image_content({"image": str(tmp_path / "a.parquet")}) == image_content(
        {"image": str(tmp_path / "b.parquet")}
    )
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    torn = [{"image": str(tmp_path / "torn.png"), "sample_id": n} for n in (1, 2)]
    assert image_content(torn[0]) == "" == image_content({"image": str(tmp_path / "absent.npy")})
    assert repeated_images(torn, known_contents([("broken ones", torn)])) == {}


def test_repeated_images_are_told_by_where_they_stand_first(tmp_path):
    made = [saved(tmp_path / f"{n}.png", np.full((3, 3), n, dtype=np.uint8)) for n in range(3)]
    items = [made[n] | {"sample_id": 10 + i} for i, n in enumerate([0, 2, 2])]
    known = known_contents([("first", made[:1]), ("second", made[:2])])
    assert repeated_images(items, known) == {10: "first", 12: "an image given twice"}
