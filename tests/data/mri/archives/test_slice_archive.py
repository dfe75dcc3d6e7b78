"""From an archive of slices to cases: what is read, normalised, masked, split, reported and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_memvit.data import Datalist, load_case_index, load_section
from monai_memvit.data.mri import load_new_slices
from monai_memvit.data.mri.archives.slice_archive import SliceArchiveOptions, prepare_slice_archive
from monai_memvit.data.mri.archives.slice_arrays import read_slice_arrays

SEQUENCES = ("t1", "flair")
SIDE = 20


def arrays(**change: Any) -> dict[str, Any]:
    """Ten patients of four slices, two sequences, a disc of tissue on a dark frame; patient 3 has no t1."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    disc = (rows**2 + columns**2 < 49)[None, :, :, None]
    image = np.where(disc, rng.integers(100, 250, (40, SIDE, SIDE, 2)), 0).astype(np.uint8)
    patient = np.repeat(np.arange(10), 4)
    image[patient == 3, ..., 0] = image[patient == 3, ..., 1]
    tumour = np.zeros((40, SIDE, SIDE), dtype=bool)
    tumour[1::2, 8:11, 8:11] = True
    missing = np.zeros((10, 2), dtype=bool)
    missing[3, 0] = True
    return {
        "image": image,
        "label": np.tile([0, 1], 20).astype(np.int8),
        "patient": patient,
        "patient_names": np.array([f"P-{i}" for i in range(10)]),
        "slice_no": np.tile([4, 3, 2, 1], 10),
        "mask": np.packbits(tumour, axis=-1),
        "channel_missing": missing,
        "split": np.repeat(["train"] * 8 + ["val"] * 2, 4),
    } | change


def save(path: Path, **change: Any) -> Path:
    """The archive, with arrays changed or (by None) left out."""
    np.savez(path, **{name: array for name, array in arrays(**change).items() if array is not None})
    return path


def prepare(folder: Path, change: dict[str, Any] | None = None, **options: Any) -> Any:
    """Prepare quietly into ``folder/out``."""
    source = save(folder / "set.npz", **(change or {}))
    return prepare_slice_archive(source, folder / "out", SliceArchiveOptions(SEQUENCES, **options), progress=False)


def test_every_item_names_its_slice(tmp_path: Path) -> None:
    report = prepare(tmp_path)
    given = arrays()
    tumours = np.unpackbits(given["mask"], axis=-1, count=SIDE)
    cases = load_case_index(report.datalist)
    assert len(cases) == 40
    for case in cases.values():
        patient, number = case.sample_key.split("/")
        row = next(
            i for i in np.flatnonzero(given["patient"] == int(patient[2:])) if given["slice_no"][i] == int(number)
        )
        stack, brain = np.load(case.image), np.load(case.image.with_name("brain.npy"))
        assert stack.shape == (4, 2, SIDE, SIDE) and stack.dtype == np.float16 and case.slice == int(number) - 1
        assert case.label == given["label"][row] and case.group_key == patient
        assert np.array_equal(np.load(case.image.with_name("tumour.npy"))[case.slice], tumours[row])
        inside = brain[case.slice]
        source = given["image"][row, ..., 1].astype(float)
        assert np.corrcoef(stack[case.slice, 1][inside], source[inside])[0, 1] > 0.9999
        assert (stack[case.slice][:, ~inside] == 0).all() and 100 < inside.sum() <= (source > 0).sum()
    assert "P-" not in str([path.name for path in (tmp_path / "out").rglob("*")])


def test_a_patient_is_a_case_and_has_a_picture(tmp_path: Path) -> None:
    report = prepare(tmp_path)
    items = load_section(report.datalist, "training")
    cases = {(item["group_id"], item["case_id"]) for item in items}
    assert (
        len(cases)
        == len({group for group, _ in cases})
        == len({case for _, case in cases})
        == report.groups["training"]
    )
    for item in items:
        assert Path(item["image"]).with_name("quality.png").read_bytes().startswith(b"\x89PNG")


def test_new_studies_cannot_be_prepared_alike(tmp_path: Path) -> None:
    report = prepare(tmp_path)
    with pytest.raises(ValueError, match="archive of finished slices have no pipeline"):
        load_new_slices(report.datalist, tmp_path, tmp_path / "work")


def test_z_scores_are_those_of_the_brain_of_all_slices(tmp_path: Path) -> None:
    for item in load_section(prepare(tmp_path).datalist, "training"):
        image = Path(item["image"])
        stack, brain = np.load(image).astype(np.float64), np.load(image.with_name("brain.npy"))
        record = json.loads(image.with_name("record.json").read_text())
        assert record["slice_numbers"] == [1, 2, 3, 4] and record["channel_mask"] == item["channel_mask"]
        for channel in np.flatnonzero(item["channel_mask"]):
            inside = stack[:, channel][brain]
            assert (inside.mean(), inside.std()) == pytest.approx((0, 1), abs=2e-3)
            assert 150 < record["normalization"][SEQUENCES[channel]]["mean"] < 200


def test_a_missing_sequence_leaves_nothing_of_its_stand_in(tmp_path: Path) -> None:
    report = prepare(tmp_path)
    items = [item for items in Datalist.load(report.datalist).sections.values() for item in items]
    for item in items:
        absent = item["group_key"] == "P-3"
        assert item["channel_mask"] == [not absent, True]
        assert (np.load(tmp_path / "out" / item["image"])[:, 0] == 0).all() == absent
    assert report.missing == {"t1": 1, "flair": 0} and report.blank == {"t1": 0, "flair": 0}
    assert Datalist.load(report.datalist).channel_names == list(SEQUENCES)


def test_other_stand_ins_are_the_same_data(tmp_path: Path) -> None:
    noise = arrays()["image"]
    noise[12:16, ..., 0] = np.random.default_rng(1).integers(0, 256, (4, SIDE, SIDE))
    first, second = prepare(tmp_path), prepare(tmp_path, {"image": noise})
    assert first.fingerprint == second.fingerprint


def test_the_missing_may_be_told_by_slice(tmp_path: Path) -> None:
    by_slice = np.zeros((40, 2), dtype=bool)
    by_slice[5, 1] = True
    report = prepare(tmp_path, {"channel_missing": by_slice})
    items = [item for items in Datalist.load(report.datalist).sections.values() for item in items]
    assert [item["sample_key"] for item in items if not all(item["channel_mask"])] == ["P-1/003"]
    assert report.missing == {"t1": 0, "flair": 1}


def test_a_blank_sequence_is_masked_in_its_slice_only(tmp_path: Path) -> None:
    image = arrays()["image"]
    image[0, ..., 1] = 7
    report = prepare(tmp_path, {"image": image})
    items = [item for items in Datalist.load(report.datalist).sections.values() for item in items]
    masks = {item["sample_key"]: item["channel_mask"] for item in items if item["group_key"] == "P-0"}
    assert masks.pop("P-0/004") == [True, False] and set(map(tuple, masks.values())) == {(True, True)}
    assert report.blank == {"t1": 0, "flair": 1} and not report.broken


def test_the_split_of_the_archive_is_not_tuned_on(tmp_path: Path) -> None:
    held = prepare(tmp_path)
    sections = Datalist.load(held.datalist).sections
    assert {item["group_key"] for item in sections["test"]} == {"P-8", "P-9"}
    assert sections["validation"] and held.groups["training"] + held.groups["validation"] == 8
    kept = prepare(tmp_path, val_fraction=0)
    sections = Datalist.load(kept.datalist).sections
    assert {item["group_key"] for item in sections["validation"]} == {"P-8", "P-9"} and not sections["test"]


def test_broken_slices_are_reported_and_the_others_done(tmp_path: Path) -> None:
    image = arrays()["image"].astype(np.float32)
    image[0, 0, 0, 0] = np.nan
    image[12, 0, 0, 0] = np.nan  # stands in for what is missing: not looked at
    image[4] = 9
    numbers = arrays()["slice_no"]
    numbers[9] = numbers[8]
    labels = arrays()["label"]
    labels[20] = -1
    report = prepare(tmp_path, {"image": image, "slice_no": numbers, "label": labels})
    causes = {broken.where.rpartition("[")[2]: broken.cause for broken in report.broken}
    assert list(causes) == ["0]", "4]", "8]", "9]"]
    assert "NaN" in causes["0]"] and "no sequence shows" in causes["4]"] and "2 slices of number 4" in causes["9]"]
    assert report.unknown_labels == 1 and sum(len(s) for s in Datalist.load(report.datalist).sections.values()) == 35


def test_a_patient_without_brain_is_reported(tmp_path: Path) -> None:
    image = arrays()["image"]
    image[:4] = 0
    image[:4, 10, 10] = 1
    report = prepare(tmp_path, {"image": image})
    assert [broken.sample_key[:3] for broken in report.broken] == ["P-0"] * 4
    assert all("mask is empty" in broken.cause for broken in report.broken)


def test_preparing_again_keeps_ids_and_removes_what_is_stale(tmp_path: Path) -> None:
    def state() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}

    prepare(tmp_path)
    first = state()
    prepare(tmp_path)
    assert state() == first
    prepare(tmp_path, {"image": 255 - arrays()["image"]})
    assert len(list((tmp_path / "out" / "cases").iterdir())) == 10
    assert not set(first) & {name for name in state() if "cases" in name}


@pytest.mark.parametrize("change", [{"slice_no": None}, {"mask": None}, {"patient_names": None}, {"split": None}])
def test_what_may_be_absent(tmp_path: Path, change: dict[str, Any]) -> None:
    report = prepare(tmp_path, change)
    assert sum(report.groups.values()) == 10
    assert bool(list((tmp_path / "out").rglob("tumour.npy"))) == ("mask" not in change)


def test_masks_may_be_unpacked(tmp_path: Path) -> None:
    packed = read_slice_arrays(save(tmp_path / "a.npz"), SEQUENCES).tumour
    assert packed is not None and packed.sum() == 20 * 9
    plain = read_slice_arrays(save(tmp_path / "b.npz", mask=packed.astype(np.int32)), SEQUENCES).tumour
    assert plain is not None and np.array_equal(packed, plain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((40, 4, 4), np.uint8)}, r"slices are numbers \(N, H, W, C\)"),
        ({"image": np.ones((40, 4, 4, 3), np.uint8)}, "3 channels, but 2 sequences"),
        ({"label": None}, "no array 'label'"),
        ({"patient": np.arange(39)}, "there are 40 images"),
        ({"patient": np.full(40, 10)}, "rows of 'patient_names'"),
        ({"patient_names": np.array(["P"] * 10)}, "repeats a name"),
        ({"slice_no": np.full(40, 0.5)}, "whole numbers"),
        ({"channel_missing": np.zeros((9, 2), bool)}, r"shape \(9, 2\): give one row per slice"),
        ({"mask": np.zeros((40, 5, 5), bool)}, "one mask per slice"),
        ({"split": np.array(["holdout"] * 40)}, "split 'holdout' is unknown"),
        ({"split": np.tile(["train", "train", "val", "val"], 10)}, "belong to one split"),
        ({"label": np.zeros(40, np.int8)}, "one class only"),
        ({"channel_missing": np.ones((10, 2), bool)}, "none of its 40 slices can be used"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path, change)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("sequences", [(), ("t1", "t1"), ("t1", "")])
def test_sequences_need_distinct_names(tmp_path: Path, sequences: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        read_slice_arrays(save(tmp_path / "set.npz"), sequences)


def test_places_are_checked(tmp_path: Path) -> None:
    source = save(tmp_path / "set.npz")
    with pytest.raises(ValueError, match="is no .npz file"):
        prepare_slice_archive(tmp_path, tmp_path / "out", SliceArchiveOptions(SEQUENCES))
    with pytest.raises(ValueError, match="is a file"):
        prepare_slice_archive(source, source, SliceArchiveOptions(SEQUENCES))


def test_the_report_can_be_read(tmp_path: Path) -> None:
    report = prepare(tmp_path, class_names=["normal", "tumour"])
    assert "t1: missing in 1 patient(s), blank in 0 slice(s)" in str(report) and "tumour" in str(report)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["missing"] == {"t1": 1, "flair": 0}


@pytest.mark.slow
def test_real_slices(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mri_slices" / "lgg_slices_128.npz"
    report = prepare_slice_archive(source, tmp_path, SliceArchiveOptions(("t1", "flair", "t1gd")), progress=False)
    assert report.missing == {"t1": 5, "flair": 0, "t1gd": 8} and not report.broken
    assert sum(report.groups.values()) == 82 and report.groups["test"] == 16
    assert sum(sum(counts.values()) for counts in report.counts.values()) == 2806
