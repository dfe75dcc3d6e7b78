"""Tables of files: by name of the column, never by its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_memvit.data.mri import FindOptions, find_studies


@pytest.fixture
def table(tmp_path, write_nifti):
    """Write a table beside a few files."""
    write_nifti(tmp_path / "images", "a.nii.gz", "b.nii.gz", "c.nii.gz", "m.nii.gz")

    def write(text: str) -> Path:
        path = tmp_path / "cohort.csv"
        path.write_text(text, encoding="utf-8-sig")
        return path

    return write


def test_columns_give_the_sequences_whatever_their_order(table, tmp_path):
    path = table(
        "t1gd, flair,patient,case,tumour_mask\n"
        f"images/a.nii.gz,{tmp_path}/images/b.nii.gz,p1,one,images/m.nii.gz\n"
        "images/c.nii.gz,,p1,two,\n"
    )
    studies, problems = find_studies(path)
    assert not problems
    one, two = studies
    assert (one.case_key, one.patient_key, set(one.sequences)) == ("one", "p1", {"t1gd", "flair"})
    assert [one.sequences[name].files[0].name for name in ("t1gd", "flair")] == ["a.nii.gz", "b.nii.gz"]
    assert one.tumour_mask.name == "m.nii.gz" and one.brain_mask is None
    assert set(two.sequences) == {"t1gd"} and two.tumour_mask is None


def test_a_cell_may_be_a_dicom_folder(table, write_series, tmp_path):
    write_series(tmp_path / "scan", 1, SeriesDescription="anything")
    ((study,), problems) = find_studies(table("case,patient,t1gd\none,p,scan\n"))
    assert not problems
    source = study.sequences["t1gd"]
    assert (source.kind, len(source.files), source.description) == ("dicom", 6, "scan")
    write_series(tmp_path / "scan", 2, SeriesDescription="another")
    (_, (problem,)) = find_studies(table("case,patient,t1gd\none,p,scan\n"))
    assert "holds 2 DICOM volumes" in problem.cause


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("one,p,images/x.nii.gz,", "t1gd: 'images/x.nii.gz' is no file"),
        ("one,p,,images/a.nii.gz", "required t1gd is absent; found: t1"),
        ("one,,images/a.nii.gz,", "patient is empty"),
        (",p,images/a.nii.gz,", "case is empty"),
        ("one,p,images/a.nii.gz,images/a.nii.gz", "t1 and t1gd are the same file"),
        ("good,p,images/a.nii.gz,", "stands in row 2 already"),
    ],
)
def test_a_bad_row_is_named_and_the_others_stay(table, row, words):
    path = table(f"case,patient,t1gd,t1\ngood,p,images/a.nii.gz,\n{row}\n")
    studies, (problem,) = find_studies(path)
    assert [study.case_key for study in studies] == ["good"]
    assert words in problem.cause and problem.where == "cohort.csv, row 3"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("case,t1gd", "no column patient"),
        ("case,patient,t1_gd", "the columns t1_gd are unknown"),
        ("case,patient,t1gd,t1gd", "a column twice"),
        ("", "no column case and patient"),
    ],
)
def test_wrong_columns_are_an_error(table, header, words):
    with pytest.raises(ValueError, match=words):
        find_studies(table(header + "\n"))


def test_a_table_that_is_not_text(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"case,patient\n\xff\xfe\n")
    with pytest.raises(ValueError, match="cannot be read as a CSV table"):
        find_studies(tmp_path / "x.csv", FindOptions())


def test_a_row_of_two_patients_is_named(table, write_series, tmp_path):
    write_series(tmp_path / "a", 1, PatientID="SOMEBODY")
    write_series(tmp_path / "b", 2, PatientID="ELSE", StudyInstanceUID="1.2.4")
    write_series(tmp_path / "c", 3, PatientID="somebody ")
    write_series(tmp_path / "d", 4, PatientID="")
    path = table("case,patient,t1gd,t2\none,p,a,b\ntwo,p,a,c\nthree,q,b,d\nfour,q,b,images/a.nii.gz\n")
    studies, (problem,) = find_studies(path)
    assert [study.case_key for study in studies] == ["four", "three", "two"]
    assert "the DICOM files of t2 and t1gd are of 2 patients" in problem.cause
    assert problem.case_key == "one" and "SOMEBODY" not in problem.cause


def test_a_folder_of_two_patients_is_named(table, write_series, change, tmp_path):
    change(write_series(tmp_path / "a", 1)[2], PatientID="ELSE")
    _, (problem,) = find_studies(table("case,patient,t1gd\none,p,a\n"))
    assert "t1gd: the folder 'a' holds images of 2 patients" in problem.cause
