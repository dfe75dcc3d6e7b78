"""From a folder of studies to a datalist, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_memvit.data import Datalist, IdentityKey, load_channel_names, load_section
from monai_memvit.data.mri import FindOptions, MriOptions, MriPipeline, MriReport, prepare_mri
from monai_memvit.transforms.mri.load_slice import LoadSliced

TINY = MriPipeline(sequences=("t1", "t2", "flair", "t1gd"), kind="none", size=32, spacing_mm=8.0)
OPTIONS = MriOptions(TINY, min_area_mm2=700.0, test_fraction=0.3, val_fraction=0.3)


@pytest.fixture
def source(tmp_path: Path, write_cohort: Callable[..., Path]) -> Path:
    """Five patients."""
    return write_cohort(tmp_path / "source", 5)


def prepare(source: Path, out: Path, options: MriOptions = OPTIONS) -> MriReport:
    """Prepare in this process."""
    return prepare_mri(source, out, options, workers=0, progress=False)


def items_of(out: Path) -> dict[str, list[dict[str, object]]]:
    """Sections of the datalist, validated."""
    return Datalist.load(out / "datalist.json").sections


def test_slices_are_labelled_by_the_area_of_the_tumour(source: Path, tmp_path: Path) -> None:
    report = prepare(source, tmp_path / "out")
    assert not report.problems
    items = [item for section in items_of(tmp_path / "out").values() for item in section]
    identity = IdentityKey.load(tmp_path / "out")
    mask = np.asarray(nibabel.load(source / "p0" / "tumour_mask.nii.gz").dataobj)
    areas = mask.sum((0, 1)) * 64.0
    assert {0.0} < set(areas) and any(0 < area < 700 for area in areas)
    brain = (np.asarray(nibabel.load(source / "p0" / "t1gd.nii.gz").dataobj) != 0).sum((0, 1))
    kept = np.flatnonzero(brain >= 0.1 * brain.max())
    expected = {int(k): int(areas[k] > 0) for k in kept if not 0 < areas[k] < 700}
    assert {item["slice"]: item["label"] for item in items if item["group_key"] == "p0"} == expected
    for item in items:
        assert item["sample_key"] == f"{item['group_key']}/{item['slice']}"
        assert item["sample_id"] == identity.identify(item["sample_key"])
        assert item["channel_mask"] == [True] * 4
    assert report.cases[0].ambiguous == sum(0 < areas[k] < 700 for k in kept)
    assert load_channel_names(tmp_path / "out" / "datalist.json") == list(TINY.sequences)


def test_items_load_as_slices(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out")
    item = load_section(tmp_path / "out" / "datalist.json", "training")[0]
    loaded = LoadSliced(num_channels=4)(item)
    stack = np.load(item["image"])
    np.testing.assert_array_equal(loaded["image"].numpy(), stack[item["slice"]].astype(np.float32))


def test_patients_are_split_and_the_same_seed_splits_alike(source: Path, tmp_path: Path) -> None:
    first, second = (prepare(source, tmp_path / name) for name in "ab")
    assert sum(first.groups.values()) == 5 and min(first.groups.values()) >= 1
    assert first.groups == second.groups and first.fingerprint == second.fingerprint
    groups = [{item["group_key"] for item in section} for section in items_of(tmp_path / "a").values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 5
    assert first.as_dict() == second.as_dict()


def test_follow_up_studies_are_cases_of_one_patient(tmp_path: Path, write_cohort: Callable[..., Path]) -> None:
    source = write_cohort(tmp_path / "source", 5)
    (source / "p4").rename(source / "p3_later")
    find = FindOptions(TINY.sequences, patient_pattern=r"(p\d)")
    prepare(source, tmp_path / "out", replace(OPTIONS, find=find))
    sections, identity = items_of(tmp_path / "out"), IdentityKey.load(tmp_path / "out")
    homes = {section for section, items in sections.items() for item in items if item["group_key"] == "p3"}
    items = [item for section in sections.values() for item in section if item["group_key"] == "p3"]
    assert len(homes) == 1 and len({item["group_id"] for item in items}) == 1
    for item in items:
        case, _, _ = str(item["sample_key"]).rpartition("/")
        assert case in ("p3", "p3_later") and item["case_id"] == identity.identify(f"case:{case}")
    told = load_section(tmp_path / "out" / "datalist.json", homes.pop())
    assert {item["case_id"] for item in items} <= {item["case_id"] for item in told}


def test_preparing_again_keeps_ids_and_drops_what_is_stale(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source, out)
    before = items_of(out)
    prepare(source, out, replace(OPTIONS, pipeline=replace(TINY, size=16)))
    after = items_of(out)
    assert [i["sample_id"] for i in before["training"]] == [i["sample_id"] for i in after["training"]]
    assert {i["image"] for i in before["training"]}.isdisjoint(i["image"] for i in after["training"])
    assert len(list((out / "cases").iterdir())) == 5


def test_a_table_gives_labels_and_splits(source: Path, tmp_path: Path) -> None:
    rows = ["case,slice,label,split"]
    splits = ["train", "train", "val", "val", "test"]
    rows += [f"p{case},{number},{number % 2},{split}" for case, split in enumerate(splits) for number in (2, 3, 4)]
    rows += ["p0,99,tumour,train", "p9,1,even,train"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    options = MriOptions(TINY, labels=tmp_path / "labels.csv", class_names=("even", "odd", "tumour"))
    report = prepare(source, tmp_path / "out", options)
    assert report.counts == {
        "training": {"even": 4, "odd": 2, "tumour": 0},
        "validation": {"even": 4, "odd": 2, "tumour": 0},
        "test": {"even": 2, "odd": 1, "tumour": 0},
    }
    assert {item["group_key"] for item in items_of(tmp_path / "out")["validation"]} == {"p2", "p3"}
    told = {problem.case_key: problem.cause for problem in report.problems}
    assert "slice 99" in told["p0"] and "no such case" in told["p9"]
    assert report.positions["first"] == {"even": 1.0, "odd": 0.0, "tumour": 0.0}


def test_bad_cases_are_named_and_the_others_done(source: Path, tmp_path: Path) -> None:
    (source / "p1" / "t1gd.nii.gz").unlink()
    (source / "p2" / "t2.nii.gz").write_bytes(b"no image")
    (source / "p3" / "flair.nii.gz").unlink()
    report = prepare(source, tmp_path / "out", replace(OPTIONS, test_fraction=0.34, val_fraction=0.5))
    assert [case.case_key for case in report.cases] == ["p0", "p3", "p4"]
    assert sorted(problem.case_key for problem in report.problems) == ["p1", "p2"]
    assert report.cases[1].missing == ["flair"]
    masks = {tuple(i["channel_mask"]) for s in items_of(tmp_path / "out").values() for i in s if i["group_key"] == "p3"}
    assert masks == {(True, True, False, True)}


def test_two_candidates_are_not_guessed_between(source: Path, tmp_path: Path) -> None:
    (source / "p0" / "t1gd_2.nii.gz").write_bytes((source / "p0" / "t1gd.nii.gz").read_bytes())
    report = prepare(source, tmp_path / "out")
    (problem,) = report.problems
    assert problem.case_key == "p0" and "t1gd" in problem.cause


def test_reports_can_be_read(source: Path, tmp_path: Path) -> None:
    (source / "p2" / "t2.nii.gz").write_bytes(b"no <b>image</b>")
    out = tmp_path / "out"
    report = prepare(source, out)
    told = json.loads((out / "report.json").read_text())
    assert told["counts"] == report.counts and told["problems"][0]["case_key"] == "p2"
    text = (out / "report.md").read_text()
    assert "**p2**" in text and "### p0" in text and "t1gd.nii.gz" in text and report.cases[0].folder in text
    page = (out / "quality.html").read_text()
    for case in report.cases:
        assert f'href="{case.folder}/quality.png"' in page and (out / case.folder / "quality.png").is_file()
    assert "<b>p2</b>" in page
    printed = str(report)
    assert "4 prepared, 1 problems" in printed and str(out / "datalist.json") in printed


@pytest.mark.parametrize(
    "change, message",
    [
        ({"min_area_mm2": -1.0}, "min area is -1.0"),
        ({"min_area_mm2": float("nan")}, "min area is nan"),
        ({"class_names": ("a",)}, "class names are a"),
        ({"class_names": ("a", "a")}, "class names are a, a"),
        ({"find": FindOptions(("t1", "t1gd"))}, "t1, t1gd are looked for"),
    ],
)
def test_options_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(OPTIONS, **change)


def test_places_that_cannot_be_used_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for wrong, message in [
        ((tmp_path / "absent", tmp_path / "out"), "does not exist"),
        ((source, source / "out"), "lies inside"),
        ((source, tmp_path / "file"), "is a file"),
    ]:
        with pytest.raises(ValueError, match=message):
            prepare(*wrong)
    assert not (tmp_path / "out").exists()


def test_what_others_put_beside_the_cases_stays(source: Path, tmp_path: Path) -> None:
    foreign = [tmp_path / "out" / "cases" / name for name in ("patient", "f" * 32, "a" * 31)]
    for folder in foreign:
        folder.mkdir(parents=True)
        (folder / "scan.dcm").write_bytes(b"raw")
    prepare(source, tmp_path / "out")
    assert all((folder / "scan.dcm").read_bytes() == b"raw" for folder in foreign)


@pytest.mark.parametrize("place", ["cases", "cases/site/a"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_source_among_the_prepared_cases_is_refused_and_stays(
    tmp_path: Path, write_cohort: Callable[..., Path], place: str, linked: bool
) -> None:
    project = tmp_path / "project"
    source = write_cohort(project / place)
    if linked:
        (tmp_path / "link").symlink_to(source)
    before = sorted(source.rglob("*"))
    with pytest.raises(ValueError, match="lies where .* would put prepared cases"):
        prepare(tmp_path / "link" if linked else source, project)
    assert sorted(source.rglob("*")) == before and not (project / "datalist.json").exists()


def test_what_a_person_should_look_at_is_noted(source: Path, tmp_path: Path) -> None:
    image = nibabel.load(source / "p1" / "t1gd.nii.gz")
    brain = np.asarray(image.dataobj)[..., 4] != 0
    mask = np.zeros((20, 24, 8), dtype=np.uint8)
    for places in (np.argwhere(brain)[:30], np.argwhere(~brain)[:70]):
        mask[..., 4][tuple(places.T)] = 1
    nibabel.save(nibabel.Nifti1Image(mask, image.affine), source / "p1" / "tumour_mask.nii.gz")
    for name in TINY.sequences:
        voxels = np.asarray(nibabel.load(source / "p2" / f"{name}.nii.gz").dataobj)
        placeless = nibabel.Nifti1Image(voxels, None)
        placeless.header.set_zooms((8, 8, 18))
        nibabel.save(
            placeless if name != "t1" else nibabel.Nifti1Image(voxels, placeless.header.get_base_affine()),
            source / "p2" / f"{name}.nii.gz",
        )
    values = np.asarray(nibabel.load(source / "p2" / "tumour_mask.nii.gz").dataobj)
    nibabel.save(nibabel.Nifti1Image(values, placeless.header.get_base_affine()), source / "p2" / "tumour_mask.nii.gz")
    notes = {case.case_key: case.notes for case in prepare(source, tmp_path / "out").cases}
    assert notes.pop("p1") == ["only 30% of the tumour lies in the brain: look whether the mask fits the images"]
    told = "its header does not say where it lies (no sform, no qform)"
    assert notes.pop("p2") == [f"{name}: {told}" for name in ("t2", "flair", "t1gd")]
    assert not any(notes.values())


def test_a_slice_that_no_sequence_shows_is_left_out_and_noted(source: Path, tmp_path: Path) -> None:
    affine = nibabel.load(source / "p0" / "t1gd.nii.gz").affine.copy()
    affine[0, 3] -= 20 * 8
    brain = np.zeros((60, 24, 8), dtype=np.uint8)
    brain[28:34, 8:16, 2:5] = 1
    brain[:8, 8:16, 5] = 1  # beyond the images' field of view
    nibabel.save(nibabel.Nifti1Image(brain, affine), source / "p0" / "brain_mask.nii.gz")
    inside = np.zeros((20, 24, 8), dtype=np.uint8)
    inside[9:13, 9:13, 3] = 1
    path = source / "p0" / "tumour_mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(inside, nibabel.load(path).affine), path)
    options = replace(OPTIONS, pipeline=replace(TINY, size=64), min_area_mm2=1.0)
    report = prepare(source, tmp_path / "out", options)
    assert not report.problems
    numbers = {i["slice"] for s in items_of(tmp_path / "out").values() for i in s if i["group_key"] == "p0"}
    assert numbers == {2, 3, 4}
    assert report.cases[0].notes == ["no sequence shows the brain in slice 5: left out"]


def test_a_source_without_a_usable_case_is_an_error(source: Path, tmp_path: Path) -> None:
    for path in source.glob("*/tumour_mask.nii.gz"):
        path.unlink()
    with pytest.raises(ValueError, match="no case can be used .*5 problems.*no tumour mask"):
        prepare(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_simulated_cohort_is_prepared_from_end_to_end(tmp_path: Path) -> None:
    simulate = pytest.importorskip("monai_memvit.data.simulate.mri").simulate_mri
    source = simulate(tmp_path / "source", patients=4, seed=1)
    options = MriOptions(MriPipeline(size=128, spacing_mm=2.0, empty_tumour_mask="normal"), test_fraction=0.3)
    report = prepare_mri(source, tmp_path / "out", options, workers=2, progress=False)
    assert not report.problems and len(report.cases) == 4
    for case in report.cases:
        assert set(case.moved) == {"t1", "t2", "flair", "apt"}
        assert all(moved.succeeded and moved.after > moved.before for moved in case.moved.values())
