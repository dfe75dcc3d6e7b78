"""The layouts of the public sets, in the columns that their files really have."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_memvit.data.radiographs.label_files.any_csv import CsvColumns
from monai_memvit.data.radiographs.label_files.film_labels import MISSING, UNCERTAIN, LabelFile
from monai_memvit.data.radiographs.label_files.find import LabelOptions, read_labels
from monai_memvit.data.radiographs.label_files.table import CsvTable

Write = Callable[..., CsvTable]
NIH = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width,"
NIH += "Height],OriginalImagePixelSpacing[x,y],"
CHEXPERT = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,"
CHEXPERT += (
    "Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
)
CHEXPERT += "Support Devices"
MIMIC = "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,"
MIMIC += "Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"


def read(folder: Path, **options: Any) -> LabelFile:
    """Read what lies in a folder."""
    return read_labels(folder, sorted(folder.iterdir()), LabelOptions(**options))


def by_key(labels: LabelFile) -> dict[str, dict[str, int]]:
    """Film -> finding -> label."""
    return {film.key: dict(zip(labels.findings, film.labels, strict=True)) for film in labels.films}


def shown(labels: LabelFile, value: int = 1) -> dict[str, set[str]]:
    """Film -> findings that have a label."""
    return {key: {name for name, label in found.items() if label == value} for key, found in by_key(labels).items()}


def nih(write: Write) -> None:
    """Three films of two patients."""
    write(
        NIH,
        "00000001_000.png,Cardiomegaly|Emphysema,0,1,58,M,PA,2682,2749,0.143,0.143,",
        "00000001_001.png,No Finding,1,1,58,M,AP,2500,2048,0.168,0.168,",
        "00000002_000.png,Hernia,0,2,81,F,PA,2500,2048,0.171,0.171,",
        name="Data_Entry_2017.csv",
    )


def test_nih(write: Write, tmp_path: Path) -> None:
    nih(write)
    write("Image Index,Finding Label,Bbox [x,y,w,h],,,", "00000001_000.png,Cardiomegaly,1,2,3,4,,,", name="BBox.csv")
    labels = read(tmp_path)
    assert (labels.kind, len(labels.findings), labels.problems) == ("NIH ChestX-ray14", 14, [])
    assert shown(labels) == {
        "00000001_000.png": {"Cardiomegaly", "Emphysema"},
        "00000001_001.png": set(),
        "00000002_000.png": {"Hernia"},
    }
    assert all(set(film.labels) <= {0, 1} for film in labels.films)
    assert [(f.patient, f.view, f.split) for f in labels.films] == [
        ("1", "PA", None),
        ("1", "AP", None),
        ("2", "PA", None),
    ]
    assert labels.films[1].where == "Data_Entry_2017.csv, line 3"


def test_nih_a_blank_cell_says_nothing(write: Write, tmp_path: Path) -> None:
    write("Image Index,Finding Labels,Patient ID", "a.png,Mass,1", "b.png,,1", "c.png,No Finding,2", name="nih.csv")
    found = {film.key: set(film.labels) for film in read(tmp_path).films}
    assert found == {"a.png": {0, 1}, "b.png": {MISSING}, "c.png": {0}}


def test_nih_splits(write: Write, tmp_path: Path) -> None:
    nih(write)
    (tmp_path / "train_val_list.txt").write_text("00000001_000.png\n")
    (tmp_path / "test_list.txt").write_text("00000002_000.png\n")
    labels = read(tmp_path)
    assert {film.key: film.split for film in labels.films} == {"00000001_000.png": "train", "00000002_000.png": "test"}
    assert [problem.film for problem in labels.problems] == ["00000001_001.png"]
    (tmp_path / "test_list.txt").write_text("00000001_000.png\n")
    with pytest.raises(ValueError, match="00000001_000.png is in train_val_list.txt and in test_list.txt"):
        read(tmp_path)


def test_nih_names_of_other_releases_are_findings_too(write: Write, tmp_path: Path) -> None:
    write("Image Index,Finding Labels,Patient ID", "a.png,Pneumoperitoneum|Mass,1", name="more.csv")
    labels = read(tmp_path)
    assert labels.findings[-1] == "Pneumoperitoneum" and len(labels.findings) == 15


def test_chexpert(write: Write, tmp_path: Path) -> None:
    start = "CheXpert-v1.0-small/"
    write(
        CHEXPERT,
        start + "train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0",
        start
        + "train/patient00002/study2/view2_lateral.jpg,Female,87,Lateral,,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,",
        name="train.csv",
    )
    write(
        CHEXPERT,
        start + "valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,PA,0.0,1.0,1.0,1.0,0,0,0,0,0,0,0,0,0,0",
        name="valid.csv",
    )
    labels = read(tmp_path)
    assert labels.kind == "CheXpert" and len(labels.findings) == 14 and labels.findings[0] == "No Finding"
    first, second, third = labels.films
    assert (first.patient, first.view, first.split) == ("patient00001", "AP", "train")
    assert (second.view, third.view, third.split) == ("LATERAL", "PA", "val")
    found = by_key(labels)
    assert found[first.key]["Pneumothorax"] == 0 and found[first.key]["Edema"] == MISSING
    assert shown(labels)[first.key] == {"No Finding", "Support Devices"}
    assert shown(labels, UNCERTAIN)[second.key] == {
        *("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
    }


def test_chexpert_without_a_patient_is_refused(write: Write, tmp_path: Path) -> None:
    write(CHEXPERT, "a.jpg,Female,68,Frontal,AP" + "," * 14)
    with pytest.raises(ValueError, match=r"line 2: path 'a.jpg' names no patient"):
        read(tmp_path)


def test_chexpert_findings_that_a_file_lacks_are_told(write: Write, tmp_path: Path) -> None:
    write(CHEXPERT, "train/patient00001/study1/v.jpg,Female,68,Frontal,AP" + ",1" * 14, name="train.csv")
    five = "Atelectasis,Cardiomegaly,Consolidation,Edema,Pleural Effusion"
    write(f"Path,{five}", "test/patient64741/study1/v.jpg,0,0,1,0,0", name="test.csv")
    labels = read(tmp_path)
    assert sorted(labels.findings) == five.split(",")
    assert len(labels.notes) == 1 and "Pneumothorax" in labels.notes[0] and "Edema" not in labels.notes[0]


def mimic(folder: Path) -> None:
    """One study of two films, one without a label, as the compressed files that PhysioNet has."""
    files = {
        "mimic-cxr-2.0.0-chexpert.csv.gz": MIMIC + "\n10000032,50414267,,1.0,,-1.0,,,,0.0,,,,,,\n",
        "mimic-cxr-2.0.0-metadata.csv.gz": "dicom_id,subject_id,study_id,ProcedureCodeSequence,ViewPosition\n"
        "02aa,10000032,50414267,CHEST,PA\n174f,10000032,50414267,CHEST,LL\nffff,10000033,59999999,CHEST,AP\n",
        "mimic-cxr-2.0.0-split.csv.gz": "dicom_id,study_id,subject_id,split\n02aa,50414267,10000032,validate\n"
        "174f,50414267,10000032,validate\nffff,59999999,10000033,train\n",
    }
    for name, text in files.items():
        (folder / name).write_bytes(gzip.compress(text.encode(), mtime=0))


def test_mimic(tmp_path: Path) -> None:
    mimic(tmp_path)
    labels = read(tmp_path)
    assert labels.kind == "MIMIC-CXR-JPG"
    assert [(f.key, f.patient, f.view, f.split) for f in labels.films] == [
        ("02aa", "10000032", "PA", "val"),
        ("174f", "10000032", "LATERAL", "val"),
    ]
    assert labels.films[0].labels == labels.films[1].labels
    assert (shown(labels)["02aa"], shown(labels, 0)["02aa"]) == ({"Cardiomegaly"}, {"Lung Opacity"})
    assert shown(labels, UNCERTAIN)["02aa"] == {"Edema"}
    assert [problem.film for problem in labels.problems] == ["ffff"]


def test_mimic_needs_films_and_one_labeller(tmp_path: Path) -> None:
    mimic(tmp_path)
    labels = tmp_path / "mimic-cxr-2.0.0-chexpert.csv.gz"
    other = tmp_path / "mimic-cxr-2.0.0-negbio.csv.gz"
    other.write_bytes(labels.read_bytes())
    with pytest.raises(ValueError, match=r"several label files.*chexpert\.csv\.gz.*negbio\.csv\.gz.*--labels"):
        read(tmp_path)
    with pytest.raises(ValueError, match="no file says which films they have.*metadata.*--labels"):
        read(tmp_path, files=[labels])
    beside = [tmp_path / f"mimic-cxr-2.0.0-{name}.csv.gz" for name in ("metadata", "split")]
    assert len(read(tmp_path, files=[labels, *beside]).films) == 2
    without_split = read(tmp_path, files=[labels, beside[0]])
    assert any("official split is not kept" in note for note in without_split.notes)


BOXES = (
    "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max",
    "i1,Nodule/Mass,8,R1,1,2,3,4",
    "i1,Nodule/Mass,8,R1,5,6,7,8",
    "i1,Nodule/Mass,8,R2,1,2,3,4",
    "i1,No finding,14,R3,,,,",
    "i2,Cardiomegaly,3,R1,1,2,3,4",
    "i2,No finding,14,R2,,,,",
    "i2,No finding,14,R3,,,,",
    "i3,Cardiomegaly,3,R1,1,2,3,4",
    "i3,No finding,14,R2,,,,",
)


def test_vindr_boxes_are_votes_of_readers(write: Write, tmp_path: Path) -> None:
    write(*BOXES, name="train.csv")
    labels = read(tmp_path)
    assert (labels.kind, labels.findings) == ("VinDr-CXR", ["Cardiomegaly", "Nodule/Mass"])
    assert {film.key: film.labels for film in labels.films} == {"i1": (0, 1), "i2": (0, 0), "i3": (UNCERTAIN, 0)}
    assert {film.patient for film in labels.films} == {""} and {film.split for film in labels.films} == {None}
    one = read(tmp_path, vote="any")
    assert {film.key: film.labels for film in one.films} == {"i1": (0, 1), "i2": (1, 0), "i3": (1, 0)}
    with pytest.raises(ValueError, match="vote is 'all': take one of majority, any"):
        read(tmp_path, vote="all")


def test_vindr_columns_go_before_boxes(write: Write, tmp_path: Path) -> None:
    write(*BOXES, name="annotations_train.csv")
    rows = ("i1,R1,1,0,0", "i1,R2,1,1,0", "i1,R3,0,0,0")
    write("image_id,rad_id,Cardiomegaly,Pneumonia,No finding", *rows, name="image_labels_train.csv")
    write("image_id,Cardiomegaly,Pneumonia,No finding", "i9,0,0,1", name="image_labels_test.csv")
    labels = read(tmp_path)
    assert labels.findings == ["Cardiomegaly", "Pneumonia"]
    assert [(f.key, f.labels, f.split) for f in labels.films] == [("i9", (0, 0), "test"), ("i1", (1, 0), "train")]


def test_vindr_files_that_tell_no_split_are_named(write: Write, tmp_path: Path) -> None:
    for name in ("one.csv", "image_labels_train.csv"):
        write("image_id,Cardiomegaly,Pneumonia,No finding", f"{name},0,0,1", name=name)
    with pytest.raises(ValueError, match=r"one\.csv: of several label files each is named after its split"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("image_id,class_name,patient_id,split", "i1,Nodule,7,test"),
        ("image_id,Nodule,No finding,patient_id,split", "i1,1,0,7,test"),
    ],
)
def test_tables_that_only_resemble_vindr_keep_their_patients(write: Write, tmp_path: Path, head: str, row: str) -> None:
    write(head, row)
    labels = read(tmp_path)
    assert labels.kind == "CSV" and [(f.key, f.patient, f.split) for f in labels.films] == [("i1", "7", "test")]
    assert shown(labels) == {"i1": {"Nodule"}}


def test_rsna_boxes_of_a_film_are_one_label(write: Write, tmp_path: Path) -> None:
    head = "patientId,x,y,width,height,Target"
    write(head, "p1,,,,,0", "p2,264,152,213,379,1", "p2,562,152,256,453,1", name="stage_2_train_labels.csv")
    write("patientId,class", "p1,Normal", "p2,Lung Opacity", name="stage_2_detailed_class_info.csv")
    labels = read(tmp_path)
    assert (labels.kind, labels.findings) == ("RSNA pneumonia", ["Lung Opacity"])
    assert [(film.key, film.labels) for film in labels.films] == [("p1", (0,)), ("p2", (1,))]
    assert "one patient may stand in two sections" in labels.notes[0]
    assert labels.notes[1] == "not read: stage_2_detailed_class_info.csv"
    write(head, "p1,,,,,-1", name="stage_2_train_labels.csv")
    with pytest.raises(ValueError, match="line 2: Target is '-1': give 0 or 1"):
        read(tmp_path)


def test_two_sets_in_one_folder_are_told_apart_by_the_user(write: Write, tmp_path: Path) -> None:
    nih(write)
    write("patientId,x,y,width,height,Target", "p1,,,,,0", name="rsna.csv")
    with pytest.raises(ValueError, match=r"several sets: NIH ChestX-ray14: .*Data_Entry_2017\.csv; RSNA pneumonia: "):
        read(tmp_path)
    assert read(tmp_path, files=[tmp_path / "rsna.csv"]).kind == "RSNA pneumonia"
    assert read(tmp_path, files=[tmp_path / "rsna.csv"], columns=CsvColumns(labels=[])).kind == "RSNA pneumonia"
    columns = CsvColumns(file="patientId", labels=["Target"])
    assert read(tmp_path, files=[tmp_path / "rsna.csv"], columns=columns).findings == ["Target"]


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no CSV: name the label file"):
        read(tmp_path)


def test_two_unknown_tables_are_named(write: Write, tmp_path: Path) -> None:
    write("file,a", "x.png,1", name="one.csv")
    write("file,a", "x.png,1", name="two.csv")
    with pytest.raises(ValueError, match=r"several label files.*one\.csv.*two\.csv"):
        read(tmp_path)
