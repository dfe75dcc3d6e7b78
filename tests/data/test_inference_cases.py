"""Cases of an inference run: ids, damaged images, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data import Datalist, IdentityKey, id_map, load_inference_cases


@pytest.fixture
def datalist(tmp_path: Path) -> Path:
    """Four RGB patches of two classes, one per patient and section pair."""
    identity, sections = IdentityKey.load_or_create(tmp_path), {"training": [], "validation": [], "test": []}
    for number, section in enumerate(["training", "training", "validation", "test"]):
        Image.fromarray(np.full((6, 6, 3), 40 * number, np.uint8)).save(tmp_path / f"{number}.png")
        names = {"sample_key": f"p{number}/0.png", "group_key": f"p{number}"}
        ids = {"sample_id": identity.identify(f"p{number}/0.png"), "group_id": identity.identify(f"p{number}")}
        sections[section].append({"image": f"{number}.png", "label": number % 2} | names | ids)
    ids = id_map(item["sample_id"] for items in sections.values() for item in items)
    Datalist("four", ["a", "b"], 3, "00", ids, sections).save(tmp_path / "datalist.json")
    return tmp_path / "datalist.json"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A sound image, a truncated one and a grey one."""
    folder = tmp_path / "new"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "sound.png")
    (folder / "cut.png").write_bytes((folder / "sound.png").read_bytes()[:900])
    Image.fromarray(noise[..., 0]).save(folder / "grey.png")
    return folder


def test_a_section_keeps_its_ids_and_labels(datalist: Path) -> None:
    cases = load_inference_cases(datalist, "test")
    assert [(Path(c["image"]).name, c["label"]) for c in cases] == [("3.png", 1)]
    assert cases[0]["sample_id"] == IdentityKey.load(datalist.parent).identify("p3/0.png")
    assert cases.raise_for_broken() is None


def test_damaged_new_images_are_named_and_the_rest_is_kept(datalist: Path, new: Path) -> None:
    cases = load_inference_cases(datalist, images=new)
    assert [Path(c["image"]).name for c in cases] == ["sound.png"]
    assert cases[0]["sample_id"] == IdentityKey.load(datalist.parent).identify("new:sound.png")
    assert sorted(Path(path).name for path in cases.broken) == ["cut.png", "grey.png"]
    with pytest.raises(ValueError, match=r"(?s)2 image\(s\) could not be read.*cut\.png.*1 channel\(s\), but .* on 3"):
        cases.raise_for_broken()


def test_a_folder_may_be_named_by_a_number(
    datalist: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new.rename(tmp_path / "815")
    monkeypatch.chdir(tmp_path)
    assert [case["image"] for case in load_inference_cases(datalist, images=815)] == [str(Path("815", "sound.png"))]


def test_a_new_image_is_no_case_of_the_datalist_whatever_its_path(datalist: Path, new: Path) -> None:
    (new / "p0").mkdir()
    (new / "sound.png").rename(new / "p0" / "0.png")
    (case,) = load_inference_cases(datalist, images=new)
    items = [item for items in Datalist.load(datalist).sections.values() for item in items]
    assert "p0/0.png" in case["image"]
    assert not {case["sample_id"], case["group_id"]} & {
        item[name] for item in items for name in ("sample_id", "group_id")
    }


def test_an_image_that_claims_to_be_huge_is_left_out(
    datalist: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1100)  # PIL raises its own kind of error above twice that
    Image.new("RGB", (50, 50)).save(new / "huge.png")
    cases = load_inference_cases(datalist, images=new)
    assert [Path(c["image"]).name for c in cases] == ["sound.png"]
    assert "DecompressionBombError" in cases.broken[str(new / "huge.png")]


def test_nothing_to_read_is_an_error(datalist: Path, new: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no image"):
        load_inference_cases(datalist, images=tmp_path / "absent")
    (new / "sound.png").unlink()
    with pytest.raises(ValueError, match="none of the 2 images can be read"):
        load_inference_cases(datalist, images=new)
