"""The whole way: what is written, what is kept, what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_memvit.data import Datalist, load_case_index, load_fingerprint, load_id_map, load_section, prepare_patches
from monai_memvit.data.patches import ArrayNames, PatchOptions


def archive(path: Path, **change: Any) -> Path:
    """Twelve patients of four pictures, two classes, with a split."""
    rng = np.random.default_rng(0)
    arrays = {
        "image": rng.integers(0, 256, (48, 6, 6, 3), dtype=np.uint8),
        "label": np.tile([0, 1], 24),
        "patient_id": np.repeat(np.arange(12), 4),
        "split": np.repeat(["train"] * 8 + ["val"] * 2 + ["test"] * 2, 4),
        "class_names": np.array(["benign", "tumour"]),
    }
    np.savez(path, **(arrays | change))
    return path


def tree(root: Path) -> Path:
    """Two classes of twenty pictures."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for i in range(20):
            Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(root / name / f"p{i // 2}_{i}.png")
    return root


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prepare(source: Path, out: Path, workers: int = 2, **options: Any) -> Any:
    """Prepare quietly."""
    return prepare_patches(source, out, PatchOptions(**options), workers=workers, progress=False)


def test_an_archive_becomes_pictures_with_opaque_names(tmp_path: Path) -> None:
    source = archive(tmp_path / "set.npz")
    report = prepare(source, tmp_path / "out")
    with np.load(source) as arrays:
        images, labels = arrays["image"], arrays["label"]
    cases = load_case_index(report.datalist)
    assert len(cases) == 48
    for number, case in cases.items():
        row = int(case.sample_key.split("/")[1])
        name = f"{number:016x}"
        assert case.image.parent == tmp_path / "out" / "images" / name[:2]
        assert re.fullmatch(name + r"-[0-9a-f]{16}\.png", case.image.name)
        with Image.open(case.image) as file:
            assert np.array_equal(np.asarray(file), images[row])
        assert case.label == labels[row]
        assert case.group_key == str(row // 4)
    assert report.counts == {
        "training": {"benign": 16, "tumour": 16},
        "validation": {"benign": 4, "tumour": 4},
        "test": {"benign": 4, "tumour": 4},
    }
    assert report.groups == {"training": 8, "validation": 2, "test": 2}
    assert report.sizes == {"6x6": 48}
    assert (report.num_channels, report.unknown_labels, report.broken) == (3, 0, [])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"datalist.json", "identity.key", "images", "report.json"}


def test_a_tree_stays_in_place(tmp_path: Path) -> None:
    source = tree(tmp_path / "tree")
    before = files(source)
    report = prepare(source, tmp_path / "out", group_pattern=r"(p\d+)_")
    assert files(source) == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"datalist.json", "identity.key", "report.json"}
    items = [item for name in ("training", "validation", "test") for item in load_section(report.datalist, name)]
    assert {item["image"] for item in items} == {str(path) for path in source.rglob("*.png")}
    assert len({item["group_id"] for item in items}) == 10


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    source = archive(tmp_path / "set.npz")
    prepare(source, tmp_path / "out")
    before = files(tmp_path / "out")
    prepare(source, tmp_path / "out", workers=1)
    assert files(tmp_path / "out") == before


def test_preparing_another_set_replaces_pictures_and_keeps_ids(tmp_path: Path) -> None:
    prepare(archive(tmp_path / "set.npz"), tmp_path / "out")
    before = Datalist.load(tmp_path / "out" / "datalist.json")
    images = np.zeros((48, 6, 6, 3), dtype=np.uint8)
    prepare(archive(tmp_path / "set.npz", image=images, label=np.tile([0, 1, -1, 1], 12)), tmp_path / "out")
    after = Datalist.load(tmp_path / "out" / "datalist.json")
    ids = {item["sample_key"]: item["sample_id"] for items in before.sections.values() for item in items}
    kept = {item["sample_key"]: item["sample_id"] for items in after.sections.values() for item in items}
    assert len(kept) == 36
    assert kept.items() <= ids.items()
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == 36
    assert after.fingerprint != before.fingerprint


def test_another_set_of_the_same_ids_is_another_table_of_ids(tmp_path: Path) -> None:
    tables = []
    for shade in (0, 1):
        images = np.full((48, 6, 6, 3), shade, dtype=np.uint8)
        report = prepare(archive(tmp_path / "set.npz", image=images), tmp_path / "out")
        tables.append((set(load_case_index(report.datalist)), load_id_map(report.datalist)))
    assert tables[0][0] == tables[1][0]
    assert tables[0][1] != tables[1][1]


def test_the_fingerprint_depends_on_content_only(tmp_path: Path) -> None:
    source = archive(tmp_path / "set.npz")
    fingerprints = {prepare(source, tmp_path / str(workers), workers).fingerprint for workers in (1, 2, 5)}
    assert len(fingerprints) == 1
    ids = [Datalist.load(tmp_path / folder / "datalist.json").id_map for folder in ("1", "2")]
    assert ids[0] != ids[1]
    with np.load(source) as arrays:
        images = arrays["image"]
    images[47, 5, 5, 2] ^= 1
    assert prepare(archive(tmp_path / "set.npz", image=images), tmp_path / "x").fingerprint not in fingerprints
    assert load_fingerprint(tmp_path / "1" / "datalist.json") in fingerprints


def test_broken_pictures_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    source = tree(tmp_path / "tree")
    path = source / "b" / "p3_6.png"
    path.write_bytes(path.read_bytes()[:60])
    Image.new("L", (6, 6)).save(source / "a" / "p9_18.png")
    report = prepare(source, tmp_path / "out")
    assert [(b.sample_key, b.where) for b in report.broken] == [
        ("a/p9_18.png", str(source / "a" / "p9_18.png")),
        ("b/p3_6.png", str(path)),
    ]
    assert report.broken[0].cause == "1 channel(s), but most of the set has 3"
    assert "truncated" in report.broken[1].cause.lower()
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [b["where"] for b in written["broken"]] == [b.where for b in report.broken]
    assert len(load_case_index(report.datalist)) == 38


def test_nan_pictures_of_an_archive_are_reported(tmp_path: Path) -> None:
    images = np.zeros((48, 6, 6, 3), dtype=np.float32)
    images[5, 0, 0, 0] = np.nan
    report = prepare(archive(tmp_path / "set.npz", image=images), tmp_path / "out")
    assert [(b.where, b.cause) for b in report.broken] == [
        (f"{tmp_path / 'set.npz'}[image][5]", "NaN or infinite pixels")
    ]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"label": np.zeros(48, dtype=int)}, "one class only .'benign'"),
        ({"split": np.repeat(["train", "val", "test", "test"], 12)[np.argsort(np.arange(48) % 4)]}, "group '0' is in"),
        ({"instance_id": np.zeros(48, dtype=int)}, "'0/0' occurs twice"),
        ({"image": np.full((48, 6, 6, 3), np.nan)}, "none of its 48 images can be used .*NaN"),
        ({"class_names": np.array(["benign"])}, "label 1 is an unknown class"),
        ({"split": np.repeat(["val", "test"], 24)}, "no train split"),
    ],
)
def test_a_set_that_cannot_be_used_leaves_nothing(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(archive(tmp_path / "set.npz", **change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_the_earlier_preparation(tmp_path: Path) -> None:
    prepare(archive(tmp_path / "set.npz"), tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(ValueError, match="one class"):
        prepare(archive(tmp_path / "set.npz", label=np.zeros(48, dtype=int)), tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_a_full_disk_leaves_no_datalist_and_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []

    def save(self: Image.Image, path: Path) -> None:
        saved.append(path)
        if len(saved) == 20:
            raise OSError(28, "No space left on device")
        path.write_bytes(b"")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(OSError, match="No space"):
        prepare(archive(tmp_path / "set.npz"), tmp_path / "out", workers=1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["identity.key"]


def test_a_kill_before_the_datalist_leaves_the_earlier_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    prepare(archive(tmp_path / "set.npz"), out)
    before = {path: path.read_bytes() for path in [out / "datalist.json", *(out / "images").rglob("*.png")]}
    other = archive(tmp_path / "set.npz", image=np.zeros((48, 6, 6, 3), dtype=np.uint8))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Datalist, "save", interrupt)
        prepare(other, out)
    assert {path: path.read_bytes() for path in before} == before
    (out / ".images-killed").mkdir()
    (out / ".images-killed" / "0.png").write_bytes(b"")
    report = prepare(other, out)
    assert set((out / "images").rglob("*.png")) == {case.image for case in load_case_index(report.datalist).values()}
    assert {path.name for path in out.iterdir()} == {"datalist.json", "identity.key", "images", "report.json"}


def interrupt(*_: Any) -> None:
    """End the process as Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("name, message", [("absent", "does not exist"), ("a.txt", "neither a folder nor an .npz")])
def test_other_sources_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / name, tmp_path / "out")


def test_places_and_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    source = tree(tmp_path / "tree")
    with pytest.raises(ValueError, match="lies inside"):
        prepare(source, source / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        prepare(source, tmp_path / "file")
    with pytest.raises(ValueError, match="repeat"):
        prepare(source, tmp_path / "out", class_names=["a", "a"])
    with pytest.raises(ValueError, match="is for folder trees"):
        prepare(archive(tmp_path / "set.npz"), tmp_path / "out", group_pattern="(p)")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "identity.key").write_text("broken")
    with pytest.raises(ValueError, match="is malformed"):
        prepare(source, tmp_path / "out")


@pytest.mark.slow
def test_the_real_archive(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "histology_patches" / "colon_patches_27.npz"
    if not source.is_file():
        pytest.skip(f"{source} is not there")
    names = ArrayNames(label="cell_type", group="patient_id", split="split", key="instance_id")
    classes = ["fibroblast", "inflammatory", "epithelial", "other"]
    report = prepare(source, tmp_path / "out", arrays=names, class_names=classes)
    with np.load(source) as arrays:
        known, test = arrays["cell_type"] >= 0, arrays["split"] == "val"
        expected = np.bincount(arrays["cell_type"][known & test])
        patients = set(arrays["patient_id"][known & ~test].tolist())
    assert list(report.counts["test"].values()) == expected.tolist()
    assert report.groups["training"] + report.groups["validation"] == len(patients)
    assert (report.unknown_labels, report.broken, report.num_channels) == (int((~known).sum()), [], 3)
