"""The file of every film: by name, by path, by DICOM UID; never by guessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from monai_memvit.data.radiographs.image_index import match_films
from monai_memvit.data.radiographs.label_files.film_labels import LabelledFilm


def match(folder: Path, *keys: str) -> tuple[dict[str, str], dict[str, str]]:
    """Key -> path below the folder, and key -> cause."""
    films = [LabelledFilm(key, (1,), "", None, "", f"line {n}") for n, key in enumerate(keys, 2)]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    matched, problems = match_films(films, files, folder, progress=False)
    return {f.key: p.relative_to(folder).as_posix() for f, p in matched}, {p.film: p.cause for p in problems}


def touch(folder: Path, *names: str) -> None:
    """Make files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"no film")


def test_names_are_found_at_any_depth_with_or_without_their_ending(tmp_path: Path) -> None:
    touch(tmp_path, "images_001/images/a.png", "b.dcm", "files/p10/s50/02aa-bb.jpg", "1.2.840.5", "a.txt")
    found, problems = match(tmp_path, "a.png", "b", "02aa-bb", "1.2.840.5", "absent.png")
    assert found == {
        "a.png": "images_001/images/a.png",
        "b": "b.dcm",
        "02aa-bb": "files/p10/s50/02aa-bb.jpg",
        "1.2.840.5": "1.2.840.5",
    }
    assert list(problems) == ["absent.png"] and "no file absent.png" in problems["absent.png"]


def test_paths_must_agree_as_far_as_they_go(tmp_path: Path) -> None:
    touch(tmp_path, "train/patient1/study1/view1.jpg", "train/patient2/study1/view1.jpg")
    start = "CheXpert-v1.0-small/train"
    keys = [f"{start}/patient1/study1/view1.jpg", "patient2/study1/view1.jpg", f"{start}/patient3/study1/view1.jpg"]
    found, problems = match(tmp_path, *keys)
    assert found == {keys[0]: "train/patient1/study1/view1.jpg", keys[1]: "train/patient2/study1/view1.jpg"}
    assert list(problems) == [keys[2]]


def test_several_files_for_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "one/a.png", "two/a.png", "c.png", "c.dcm")
    found, problems = match(tmp_path, "a.png", "c", "c.png")
    assert found == {"c.png": "c.png"}
    assert "2 files may be a.png (one/a.png and two/a.png)" in problems["a.png"]
    assert "2 files may be c" in problems["c"]


def test_two_rows_for_one_file_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    found, problems = match(tmp_path, "a.png", "a", "b.png")
    assert found == {"b.png": "b.png"}
    assert problems["a.png"] == "line 3 names the same file a.png: keep one row"
    assert problems["a"] == "line 2 names the same file a.png: keep one row"


def test_paths_agree_as_in_a_plain_comparison(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    paths = {"/".join(random.choice(["a", "b"], random.integers(0, 4)).tolist() + ["x.png"]) for _ in range(12)}
    touch(tmp_path, *paths)
    for key in [f"{start}x.png" for start in ("", "a/", "b/a/", "./b/b/", "a/b/a/", "z/a/a/b/b/")]:
        parts = [part for part in key.split("/") if part != "."][::-1]
        fitting = [path for path in paths if all(a == b for a, b in zip(parts, path.split("/")[::-1]))]
        found, problems = match(tmp_path, key)
        assert found == ({key: fitting[0]} if len(fitting) == 1 else {})
        if len(fitting) > 1:
            assert problems[key].startswith(f"{len(fitting)} files may be")


def test_one_name_in_many_folders_is_looked_up_once_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"patient{number:03}/study1/view1_frontal.jpg" for number in range(200)]
    files = [tmp_path / path for path in paths]
    films = [LabelledFilm(f"train/{path}", (1,), "", None, "", "") for path in paths]
    calls, relative_to = [], Path.relative_to
    monkeypatch.setattr(Path, "relative_to", lambda path, *other: calls.append(path) or relative_to(path, *other))
    matched, problems = match_films(films, files, tmp_path, progress=False)
    assert [path for _, path in matched] == files and problems == []
    assert len(calls) <= 2 * len(files)


def write_header(path: Path, uid: str, patient: str = "") -> None:
    """A DICOM file without pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPInstanceUID, dataset.SOPClassUID = uid, meta.MediaStorageSOPClassUID
    dataset.PatientID, dataset.Modality = patient, "CR"
    dataset.save_as(path, enforce_file_format=True)


def test_uids_are_looked_for_in_headers(tmp_path: Path) -> None:
    uids = [generate_uid() for _ in range(3)]
    for name, uid in zip(("IM0", "IM1.dcm", "copy"), (uids[0], uids[1], uids[1])):
        write_header(tmp_path / name, uid)
    touch(tmp_path, "broken.dcm")
    found, problems = match(tmp_path, *uids)
    assert found == {uids[0]: "IM0"}
    assert "2 files may be" in problems[uids[1]] and "no file" in problems[uids[2]]


@pytest.mark.parametrize("key", ["", ".", "/", "../../a.png"])
def test_odd_keys_find_nothing_outside(tmp_path: Path, key: str) -> None:
    touch(tmp_path, "set/a.png")
    assert match(tmp_path / "set", key)[0] == ({} if "a" not in key else {key: "a.png"})
