"""Whole trees: real and made studies of every layout, and the ways in which they are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data.mri import FindOptions, Study, StudyProblem, find_studies
from monai_memvit.data.mri.sources.load_volume import load_volume
from monai_memvit.data.simulate.mri.cohort import simulate_mri
from monai_memvit.data.simulate.mri.options import MriSimulation
from monai_memvit.data.simulate.mri.patient import simulate_patient

ALL = FindOptions(required=())


def only(found: tuple[list[Study], list[StudyProblem]]) -> Study:
    """The one study of a source without problems."""
    studies, problems = found
    assert not problems, "\n".join(map(str, problems))
    assert len(studies) == 1
    return studies[0]


def causes(found: tuple[list[Study], list[StudyProblem]]) -> str:
    """All causes of a source none of whose studies can be used."""
    studies, problems = found
    assert not studies and problems
    return "\n".join(problem.cause for problem in problems)


def test_a_dicom_study_at_any_depth_is_found_by_name(tmp_path, write_study):
    written = write_study(tmp_path / "a" / "b" / "c")
    study = only(find_studies(tmp_path))
    assert set(study.sequences) == {"t1", "t2", "flair", "t1gd", "apt"}
    for name, source in study.sequences.items():
        assert source.sequence == name
        assert source.files == tuple(written[name])  # in the order of the slices
        assert source.score >= 0.5 and source.reason
    assert (study.case_key, study.patient_key) == ("P1/1.2.3", "P1")


def test_all_files_in_one_folder_is_found_too(tmp_path, write_series):
    for number, description in [(1, "T1"), (2, "T1 +C")]:
        write_series(tmp_path, number, SeriesDescription=description)
    (tmp_path / "README.txt").write_text("no image")
    assert set(only(find_studies(tmp_path)).sequences) == {"t1", "t1gd"}


def test_the_real_study(shared_data):
    study = only(find_studies(shared_data / "mr_dicom_study", FindOptions(required=("t2",))))
    assert set(study.sequences) == {"t2"}
    assert "series 401" in study.sequences["t2"].description and len(study.sequences["t2"].files) == 25
    why = {entry.what: entry.why for entry in study.left_out}
    assert any("XX_0027" in what and "not an MR image" in text for what, text in why.items())
    assert any("series 1101" in what and "TE 235" in text for what, text in why.items())


def test_the_real_study_by_a_pattern(shared_data):
    options = FindOptions(required=("t2",), patterns={"t2": "longTE"})
    study = only(find_studies(shared_data / "mr_dicom_study", options))
    assert "series 1101" in study.sequences["t2"].description


def test_the_real_nifti_cases(shared_data):
    studies, problems = find_studies(shared_data / "mri_volumes")
    assert not problems and len(studies) == 4
    assert all(set(study.sequences) == {"t1", "t2", "flair", "t1gd"} for study in studies)
    masks = {study.case_key: (study.tumour_mask is not None, study.brain_mask is not None) for study in studies}
    assert masks["TCGA-FG-6692_native"] == (False, True)
    assert masks["TCGA-FG-6692_coregistered"] == masks["TCGA-DU-7294_coregistered"] == (True, False)


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["nifti", "dicom"])
def test_the_simulated_cohort_is_found_with_its_truth(tmp_path, file_format):
    cohort = simulate_mri(tmp_path / "cohort", patients=2, seed=5, file_format=file_format, missing=0.4)
    studies, problems = find_studies(cohort)
    assert not problems and len(studies) == 2
    for study, folder in zip(studies, sorted(cohort.glob("sub-*"))):
        missing = set(json.loads((folder / "truth.json").read_text())["missing"])
        assert set(study.sequences) == {"t1", "t2", "flair", "t1gd", "apt"} - missing
        assert {study.tumour_mask.parent, study.brain_mask.parent} == {folder}
        simulated = simulate_patient(int(folder.name[-4:]) - 1, 5, MriSimulation(missing=0.4)).volumes
        for name, source in study.sequences.items():
            volume, (expected, affine) = load_volume(source), simulated[name]
            places = np.linalg.solve(affine, volume.affine.numpy())  # another order of axes is no other volume
            index = np.rint(places @ np.array([3, 4, 5, 1]))[:3].astype(int)
            np.testing.assert_allclose(places @ np.array([3, 4, 5, 1]), [*index, 1], atol=1e-3)
            assert float(volume[0, 3, 4, 5]) == pytest.approx(
                float(expected[tuple(index)]), abs=0.02 * float(expected.max())
            )


def test_a_pattern_gives_the_patient_of_folders(tmp_path, write_nifti):
    write_nifti(tmp_path, "TCGA-FG-6692_native/t1gd.nii.gz", "TCGA-FG-6692_again/t1gd.nii.gz", "other/t1gd.nii.gz")
    studies, problems = find_studies(tmp_path, FindOptions(patient_pattern=r"(TCGA-\w\w-\w{4})"))
    assert [study.patient_key for study in studies] == ["TCGA-FG-6692"] * 2
    assert [problem.case_key for problem in problems] == ["other"]
    assert "finds no patient" in problems[0].cause


def test_time_points_of_a_brats_patient_are_one_patient(tmp_path, write_nifti):
    names = [f"BraTS-GLI-00012-{point}/BraTS-GLI-00012-{point}-t1c.nii.gz" for point in ("000", "001")]
    studies, problems = find_studies(write_nifti(tmp_path, *names))
    assert not problems
    assert [study.case_key for study in studies] == ["BraTS-GLI-00012-000", "BraTS-GLI-00012-001"]
    assert {study.patient_key for study in studies} == {"BraTS-GLI-00012"}


def test_a_bids_tree(tmp_path, write_nifti):
    write_nifti(
        tmp_path,
        "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
        "sub-01/ses-a/anat/sub-01_ses-a_ce-gadolinium_T1w.nii.gz",
        "sub-01/ses-a/anat/sub-01_ses-a_FLAIR.nii.gz",
        "sub-01/ses-a/dwi/sub-01_ses-a_dwi.nii.gz",
        "sub-01/ses-b/anat/sub-01_ses-b_desc-postgd_T1w.nii.gz",
        "sub-02/anat/sub-02_ce-gad_T1w.nii",
        "sub-02/anat/sub-02_T2w.nii.gz",
        "derivatives/seg/sub-01/ses-a/anat/sub-01_ses-a_label-tumor_mask.nii.gz",
        "derivatives/seg/sub-01/ses-a/anat/sub-01_ses-a_desc-brain_mask.nii.gz",
        "derivatives/seg/sub-01/ses-a/anat/sub-01_ses-a_space-MNI_T1w.nii.gz",
    )
    studies, problems = find_studies(tmp_path)
    assert not problems
    assert [(s.case_key, s.patient_key, set(s.sequences)) for s in studies] == [
        ("sub-01/ses-a", "sub-01", {"t1", "t1gd", "flair"}),
        ("sub-01/ses-b", "sub-01", {"t1gd"}),
        ("sub-02", "sub-02", {"t1gd", "t2"}),
    ]
    assert studies[0].tumour_mask.name == "sub-01_ses-a_label-tumor_mask.nii.gz"
    assert studies[0].brain_mask.name == "sub-01_ses-a_desc-brain_mask.nii.gz"
    assert {entry.why.split(",")[0] for entry in studies[0].left_out} >= {"a derivative"}


def test_layouts_may_be_mixed_and_masks_lie_beside_dicom(tmp_path, write_study, write_nifti):
    write_study(tmp_path / "scan" / "dicom", "t1gd")
    write_nifti(tmp_path, "scan/tumour_mask.nii.gz", "nifti_case/t1ce.nii.gz", "nifti_case/seg.nii.gz")
    studies, problems = find_studies(tmp_path)
    assert not problems
    assert {study.case_key: study.tumour_mask.parent.name for study in studies} == {
        "P1/1.2.3": "scan",
        "nifti_case": "nifti_case",
    }


def test_masks_that_two_dicom_studies_may_claim_are_a_problem(tmp_path, write_study, write_nifti):
    write_study(tmp_path / "one", "t1gd")
    write_study(tmp_path / "two", "t1gd", PatientID="P2", StudyInstanceUID="1.2.4")
    write_nifti(tmp_path, "tumour.nii.gz")
    studies, problems = find_studies(tmp_path)
    assert len(studies) == 2 and all(study.tumour_mask is None for study in studies)
    assert "may belong to 2 DICOM studies" in problems[0].cause


def test_the_bad_case_is_told_and_the_others_are_found(tmp_path, write_study):
    write_study(tmp_path / "one")
    write_study(tmp_path / "two", "t1", "t2", PatientID="P2", StudyInstanceUID="1.2.4")
    studies, problems = find_studies(tmp_path)
    assert [study.case_key for study in studies] == ["P1/1.2.3"]
    assert [(problem.case_key, problem.where) for problem in problems] == [("P2/1.2.4", "two")]
    assert "required t1gd is absent; found: t1 (series 10: Ax T1 pre), t2" in problems[0].cause


def test_two_equal_candidates_are_named_with_the_remedy(tmp_path, write_study, write_series):
    write_study(tmp_path, "t1gd")
    for number in (21, 22):
        write_series(tmp_path / str(number), number, SeriesDescription="Ax T2", EchoTime=100, RepetitionTime=4000)
    text = causes(find_studies(tmp_path))
    assert "2 equal candidates for t2: 'series 21: Ax T2' (score 1.00) and 'series 22: Ax T2'" in text
    assert '--map "t2=series 21:"' in text
    study = only(find_studies(tmp_path, FindOptions(patterns={"t2": "series 21:"})))
    assert study.sequences["t2"].description == "series 21: Ax T2"
    assert any(entry.what == "series 22: Ax T2" and "names another" in entry.why for entry in study.left_out)


def test_a_whole_series_is_preferred_to_an_aborted_one(tmp_path, write_series):
    write_series(tmp_path, 1, SeriesDescription="T1 post")
    for path in write_series(tmp_path / "aborted", 2, SeriesDescription="T1 post")[3:4]:
        path.unlink()
    study = only(find_studies(tmp_path))
    assert study.sequences["t1gd"].description == "series 1: T1 post"
    assert "1 slices missing" in study.left_out[0].why


def test_a_series_that_two_patterns_match_is_a_problem(tmp_path, write_study):
    write_study(tmp_path, "t1gd")
    text = causes(find_studies(tmp_path, FindOptions(patterns={"t1": "T1", "t1gd": "post"})))
    assert "is matched by the patterns of t1 and t1gd" in text


def test_different_patients_in_one_study(tmp_path, write_study, change):
    written = write_study(tmp_path, "t1", "t1gd")
    for path in written["t1"]:
        change(path, PatientID="SOMEBODY")
    text = causes(find_studies(tmp_path))
    assert "different patients in one study: 2 PatientIDs" in text and "series 10: Ax T1 pre" in text
    assert "SOMEBODY" not in text


def test_different_patients_in_one_folder_of_a_cohort(tmp_path, write_study):
    write_study(tmp_path / "case", "t1gd", "t1")
    write_study(tmp_path / "case" / "S10", "t2", PatientID="P2", StudyInstanceUID="1.2.4")
    write_study(tmp_path / "fine", "t1gd", PatientID="P3", StudyInstanceUID="1.2.5")
    studies, problems = find_studies(tmp_path, ALL)
    assert "P3/1.2.5" in [study.case_key for study in studies]
    assert any(p.case_key == "P1/1.2.3" and "different patients in one study's folder" in p.cause for p in problems)


def test_a_flat_export_of_several_patients_is_read_by_its_identifiers(tmp_path, write_series):
    write_series(tmp_path, 1, SeriesDescription="T1 post")
    write_series(tmp_path, 2, SeriesDescription="T1 post", PatientID="P2", StudyInstanceUID="1.2.4")
    studies, problems = find_studies(tmp_path)
    assert [study.patient_key for study in studies] == ["P1", "P2"] and not problems


def test_without_a_patient_id_the_study_is_the_patient(tmp_path, write_study):
    write_study(tmp_path, "t1gd", PatientID="")
    study = only(find_studies(tmp_path))
    assert study.case_key == study.patient_key == "1.2.3"


def test_what_else_lies_there_is_passed_over_with_a_reason(tmp_path, write_study, write_series, change):
    write_study(tmp_path, "t1gd")
    write_series(tmp_path, 30, SeriesDescription="3-plane loc")
    write_series(tmp_path, 31, SeriesDescription="T1 MIP")
    write_series(tmp_path, 32, SeriesDescription="T2 Ax", count=3)
    write_series(tmp_path, 33, SeriesDescription="DWI b1000")
    write_series(tmp_path, 34, SeriesDescription="T1 cor", ImageType=["DERIVED", "SECONDARY", "MPR"])
    write_series(tmp_path, 35, SeriesDescription="something")
    structured = write_series(tmp_path, 36, count=1, SeriesDescription="report")[0]
    change(structured, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", PixelData=None, Rows=None)
    empty = write_series(tmp_path, 37, count=1, SeriesDescription="T1")[0]
    change(empty, PixelData=None, Rows=None, Columns=None)
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10")
    study = only(find_studies(tmp_path))
    assert set(study.sequences) == {"t1gd"}
    why = {entry.what.split(":")[0]: entry.why for entry in study.left_out}
    assert "localizer" in why["series 30"] and "projection" in why["series 31"]
    assert "only 3 slices" in why["series 32"] and "diffusion" in why["series 33"]
    assert "MPR" in why["series 34"] and "no sequence is recognised" in why["series 35"]
    assert "Basic Text SR Storage of modality SR" in why["series 36"] and why["series 37"] == "no pixels"


@pytest.mark.parametrize("which", [0, -1])
def test_an_unreadable_file_beside_the_slices_may_be_one_of_them(tmp_path, write_study, which):
    path = write_study(tmp_path / "case", "t1gd")["t1gd"][which]
    path.write_bytes(path.read_bytes()[:200])
    text = causes(find_studies(tmp_path))
    assert f"{path.name} cannot be read and may be a slice" in text


def test_sequences_not_asked_for_are_left_out(tmp_path, write_study):
    write_study(tmp_path)
    study = only(find_studies(tmp_path, FindOptions(sequences=("t1gd", "flair"))))
    assert list(study.sequences) == ["t1gd", "flair"]
    assert {entry.why.split(" (")[0] for entry in study.left_out} == {
        f"it is {name}, which is not asked for" for name in ("t1", "t2", "apt")
    }


def test_a_mask_alone_is_no_case(tmp_path, write_nifti):
    assert "the required t1gd is absent; found: tumour_mask" in causes(
        find_studies(write_nifti(tmp_path, "case/tumour.nii.gz"))
    )


def test_two_files_of_one_sequence_in_a_folder(tmp_path, write_nifti):
    write_nifti(tmp_path, "c/t1gd.nii.gz", "c/c_t1ce.nii.gz")
    text = causes(find_studies(tmp_path))
    assert "'c/c_t1ce.nii.gz'" in text and "'c/t1gd.nii.gz'" in text and "by a pattern" in text
    chosen = only(find_studies(tmp_path, FindOptions(patterns={"t1gd": r"/t1gd\.nii"})))
    assert chosen.sequences["t1gd"].files[0].name == "t1gd.nii.gz"


def test_a_pattern_may_choose_among_masks(tmp_path, write_nifti, write_study):
    write_nifti(tmp_path, "tumour_core.nii.gz", "whole_tumour.nii.gz")
    write_study(tmp_path, "t1gd", SeriesDescription="T1 GD whole_tumour")
    assert "2 equal candidates for tumour_mask" in causes(find_studies(tmp_path))
    study = only(find_studies(tmp_path, FindOptions(patterns={"tumour_mask": "whole_tumour"})))
    assert study.tumour_mask.name == "whole_tumour.nii.gz"
    assert study.sequences["t1gd"].kind == "dicom"


def test_the_suggested_pattern_chooses(tmp_path, write_nifti):
    write_nifti(tmp_path, "c/t1gd.nii.gz", "c/x_t1gd.nii.gz")
    text = causes(find_studies(tmp_path))
    pattern = text.split('--map "t1gd=')[1].split('"')[0]
    assert len(only(find_studies(tmp_path, FindOptions(patterns={"t1gd": pattern}))).sequences) == 1


def test_a_source_without_examinations(tmp_path):
    with pytest.raises(ValueError, match="neither a folder nor a CSV"):
        find_studies(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match="holds neither DICOM nor NIfTI"):
        find_studies(tmp_path)


def test_hidden_files_are_passed_over(tmp_path, write_nifti):
    write_nifti(tmp_path, "c/t1gd.nii.gz", "c/._t1gd.nii.gz", "__MACOSX/c/t1gd.nii.gz")
    assert only(find_studies(tmp_path)).case_key == "c"


def test_the_folder_itself_may_be_the_case(tmp_path: Path, write_nifti):
    write_nifti(tmp_path / "someone", "t1c.nii.gz")
    study = only(find_studies(tmp_path / "someone"))
    assert study.case_key == study.patient_key == "someone"


@pytest.mark.parametrize(
    "place", ["P1/t1gd.nii.gz", "P1/dicom/nifti/t1gd.nii.gz", "P1/dicom/S10/t1gd.nii.gz", "t1gd.nii.gz"]
)
def test_the_conversion_of_a_dicom_study_is_no_second_case(tmp_path, write_study, write_nifti, place):
    write_study(tmp_path / "P1" / "dicom", "t1gd", "t2")
    write_nifti(tmp_path, place, "P2/t1gd.nii.gz")
    studies, (problem,) = find_studies(tmp_path)
    assert [study.case_key for study in studies] == ["P1/1.2.3", "P2"]
    assert problem.where in (str(Path(place).parent), tmp_path.name)
    assert "these NIfTI images lie with a DICOM study" in problem.cause


def test_a_mask_in_a_folder_of_its_own_belongs_to_the_study_around_it(tmp_path, write_study, write_nifti):
    write_study(tmp_path / "P1", "t1gd", "t2")
    write_nifti(tmp_path, "P1/masks/tumour.nii.gz")
    assert only(find_studies(tmp_path)).tumour_mask.parent.name == "masks"


def test_two_spellings_of_a_patient_are_one_patient_and_told(tmp_path, write_study):
    write_study(tmp_path / "a", "t1gd", PatientID="PAT 1")
    write_study(tmp_path / "b", "t1gd", PatientID="pat  1", StudyInstanceUID="1.2.4")
    write_study(tmp_path / "c", "t1gd", PatientID="PAT 11", StudyInstanceUID="1.2.5")
    studies, problems = find_studies(tmp_path)
    assert not problems
    assert [study.patient_key for study in studies] == ["PAT 1", "PAT 11", "PAT 1"]
    assert [len(study.left_out) for study in studies] == [0, 0, 1]
    assert "taken for one patient" in studies[2].left_out[0].why


def test_two_spellings_in_one_study_are_no_two_patients(tmp_path, write_study, change):
    for path in write_study(tmp_path, "t1", "t1gd")["t1"]:
        change(path, PatientID="p1 ")
    assert set(only(find_studies(tmp_path)).sequences) == {"t1", "t1gd"}


def test_a_stack_in_two_pieces_is_a_problem(tmp_path, write_series, change):
    paths = write_series(tmp_path, 1, SeriesDescription="T1 GD", EchoTime=10, RepetitionTime=500, count=12)
    for path in paths[-3:]:
        change(path, ImageType=["ORIGINAL", "PRIMARY", "M", "NORM"])
    text = causes(find_studies(tmp_path))
    assert "its 9 slices go on in the 3 of" in text and "one stack in two pieces" in text


def test_linked_studies_are_found(tmp_path, write_study, write_nifti):
    write_study(tmp_path / "elsewhere" / "dicom", "t1gd")
    write_nifti(tmp_path / "elsewhere", "case/t1gd.nii.gz")
    (tmp_path / "cohort").mkdir()
    for name in ("dicom", "case"):
        (tmp_path / "cohort" / f"linked_{name}").symlink_to(tmp_path / "elsewhere" / name, target_is_directory=True)
    studies, problems = find_studies(tmp_path / "cohort")
    assert not problems and [study.case_key for study in studies] == ["P1/1.2.3", "linked_case"]
