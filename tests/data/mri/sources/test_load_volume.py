"""Volumes against SimpleITK's own readers, and files that are no volume."""

from __future__ import annotations

import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch

from monai_memvit.data.mri import FindOptions, SequenceSource, find_studies
from monai_memvit.data.mri.sources.load_volume import load_mask, load_volume


def nifti(path: Path) -> SequenceSource:
    """The source of one NIfTI file."""
    return SequenceSource("flair", "nifti", (path,), path.name, 1.0, "")


def dicom(paths: list[Path]) -> SequenceSource:
    """The source of one file a slice."""
    return SequenceSource("t1", "dicom", tuple(paths), "series 1", 1.0, "")


def assert_same_as_simpleitk(volume, image, atol):
    """Equal values, and equal places of the corners: SimpleITK's world is LPS."""
    np.testing.assert_allclose(volume[0].numpy(), SimpleITK.GetArrayFromImage(image).T, atol=atol)
    for corner in np.ndindex(2, 2, 2):
        index = [int(c * (n - 1)) for c, n in zip(corner, image.GetSize())]
        lps = np.array(image.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose((volume.affine.numpy() @ [*index, 1])[:3], lps * [-1, -1, 1], atol=1e-3)


def series_by_simpleitk(paths: list[Path]):
    """SimpleITK's volume of the files, in the order that GDCM gives them."""
    reader = SimpleITK.ImageSeriesReader()
    folder = str(paths[0].parent)
    names = reader.GetGDCMSeriesFileNames(folder, reader.GetGDCMSeriesIDs(folder)[0])
    reader.SetFileNames(names)
    return reader.Execute()


@pytest.mark.parametrize("tilted", [False, True])
def test_a_series_is_what_simpleitk_reads(tmp_path, write_series, oblique, tilted):
    paths = write_series(tmp_path, 1, spacing=3.5, directions=oblique if tilted else np.eye(3))
    volume = load_volume(dicom(paths[::-1]))
    assert volume.shape == (1, 10, 8, 6) and volume.dtype == torch.float32
    assert_same_as_simpleitk(volume, series_by_simpleitk(paths), atol=1e-2)


@pytest.mark.parametrize("number", [401, 1101])
def test_the_real_series_are_what_simpleitk_reads(shared_data, number, tmp_path):
    options = FindOptions(required=("t2",), patterns={"t2": f"^series {number}:"})
    (study,), _ = find_studies(shared_data / "mr_dicom_study", options)
    source = study.sequences["t2"]
    for path in source.files:
        (tmp_path / path.name).symlink_to(path)
    image = series_by_simpleitk([tmp_path / path.name for path in source.files])
    assert_same_as_simpleitk(load_volume(source), image, atol=1e-2)


def test_every_slice_has_a_rescale_of_its_own(tmp_path, write_series):
    import pydicom

    paths = write_series(tmp_path, 1)
    volume = load_volume(dicom(paths))
    for k, path in enumerate(paths):
        stored = pydicom.dcmread(path)
        expected = stored.pixel_array.T * float(stored.RescaleSlope) - 3.0
        np.testing.assert_array_equal(volume[0, :, :, k].numpy(), expected.astype(np.float32))


@pytest.mark.parametrize("sequence", ["t2", "flair"])
def test_an_oblique_nifti_file_is_what_simpleitk_reads(shared_data, sequence):
    path = shared_data / "mri_volumes" / "TCGA-FG-6692_native" / f"{sequence}.nii.gz"
    assert_same_as_simpleitk(load_volume(nifti(path)), SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32), atol=0)


def test_scaled_nifti_values(tmp_path):
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "x.nii")
    stored = nibabel.load(tmp_path / "x.nii").get_fdata()
    np.testing.assert_allclose(load_volume(nifti(tmp_path / "x.nii"))[0].numpy(), stored)


def test_a_fourth_axis_of_one_is_dropped_and_a_longer_one_is_refused(tmp_path, write_nifti):
    values = np.random.default_rng(0).normal(size=(5, 6, 4, 3)).astype(np.float32)
    write_nifti(tmp_path, "one.nii.gz", array=values[..., :1])
    write_nifti(tmp_path, "three.nii.gz", array=values)
    assert load_volume(nifti(tmp_path / "one.nii.gz")).shape == (1, 5, 6, 4)
    with pytest.raises(ValueError, match=r"flair \(.*three.nii.gz\).*\(3, 5, 6, 4\).*4-D"):
        load_volume(nifti(tmp_path / "three.nii.gz"))


def test_unusable_nifti_files_are_named_with_a_remedy(tmp_path, write_nifti):
    header = bytearray((write_nifti(tmp_path, "nan.nii") / "nan.nii").read_bytes())
    header[280:284] = struct.pack("<f", float("nan"))  # srow_x[0] of the sform
    (tmp_path / "nan.nii").write_bytes(header)
    with pytest.raises(ValueError, match="flair .*nan.nii.*affine.*not a finite"):
        load_volume(nifti(tmp_path / "nan.nii"))
    write_nifti(tmp_path, "flat.nii.gz", array=np.full((3, 4, 5), 7, np.float32))
    with pytest.raises(ValueError, match=r"flat.nii.gz\): all voxels are 7"):
        load_volume(nifti(tmp_path / "flat.nii.gz"))
    whole = (write_nifti(tmp_path, "cut.nii.gz") / "cut.nii.gz").read_bytes()
    for name, content in [("cut.nii.gz", whole[:150]), ("text.nii.gz", b"hello"), ("empty.nii", b"")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} is no whole NIfTI file .*again"):
            load_volume(nifti(tmp_path / name))
    with pytest.raises(ValueError, match="absent.nii does not exist"):
        load_volume(nifti(tmp_path / "absent.nii"))


def test_colour_is_no_volume(tmp_path):
    colour = np.zeros((3, 4, 5), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "rgb.nii.gz")
    with pytest.raises(ValueError, match="not numbers"):
        load_volume(nifti(tmp_path / "rgb.nii.gz"))


def test_unusable_dicom_files_are_named_with_a_remedy(tmp_path, write_series, change):
    paths = write_series(tmp_path, 1)
    with pytest.raises(ValueError, match="t1 .*1 slices missing"):
        load_volume(dicom([*paths[:2], *paths[3:]]))
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[:-40])
    with pytest.raises(ValueError, match=f"{paths[0].name} is no whole DICOM image .*export it again"):
        load_volume(dicom(paths))
    change(paths[1], PixelData=None)
    with pytest.raises(ValueError, match=f"{paths[1].name} is no whole DICOM image"):
        load_volume(dicom(paths[1:]))
    paths[2].unlink()
    with pytest.raises(ValueError, match=f"{paths[2].name} does not exist"):
        load_volume(dicom(paths[2:]))


def test_masks(tmp_path, write_nifti):
    labels = np.zeros((3, 4, 5), np.uint8)
    write_nifti(tmp_path, "none.nii.gz", array=labels)
    with pytest.raises(ValueError, match="none.nii.gz is empty"):
        load_mask(tmp_path / "none.nii.gz")
    assert not load_mask(tmp_path / "none.nii.gz", may_be_empty=True).any()
    labels[1, 2, 3] = 4
    mask = load_mask(write_nifti(tmp_path, "some.nii.gz", array=labels) / "some.nii.gz")
    assert mask.dtype == torch.bool and mask.shape == (1, 3, 4, 5)
    assert mask.nonzero().tolist() == [[0, 1, 2, 3]]
    np.testing.assert_array_equal(mask.affine.numpy(), np.diag([-1, -1, 2, 1]))
    assert load_mask(write_nifti(tmp_path, "all.nii.gz", array=np.ones_like(labels)) / "all.nii.gz").all()


def test_only_labels_above_zero_are_inside(tmp_path, write_nifti):
    labels = np.full((3, 4, 5), -1, np.int16)  # "ignore", in some tools
    with pytest.raises(ValueError, match="none.nii.gz is empty"):
        load_mask(write_nifti(tmp_path, "none.nii.gz", array=labels) / "none.nii.gz")
    labels[1, 2, 3] = 2
    mask = load_mask(write_nifti(tmp_path, "some.nii.gz", array=labels) / "some.nii.gz")
    assert mask.nonzero().tolist() == [[0, 1, 2, 3]]


def test_a_mask_of_nan_is_not_an_empty_one(tmp_path, write_nifti):
    values = np.zeros((3, 4, 5), np.float32)
    values[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"nan.nii.gz: 1 voxels are NaN"):
        load_mask(write_nifti(tmp_path, "nan.nii.gz", array=values) / "nan.nii.gz", may_be_empty=True)


@pytest.mark.parametrize("unit, size", [("meter", 0.004), ("micron", 4000.0), ("mm", 4.0), ("unknown", 4.0)])
def test_the_unit_of_length_of_a_nifti_file_counts(tmp_path, unit, size):
    affine = np.diag([-size, size, size, 1.0])
    affine[:3, 3] = size * np.array([1, 2, 3])
    image = nibabel.Nifti1Image(np.random.default_rng(0).normal(size=(5, 6, 4)).astype(np.float32), affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "x.nii")
    expected = np.diag([-4.0, 4, 4, 1])
    expected[:3, 3] = [4, 8, 12]
    np.testing.assert_allclose(load_volume(nifti(tmp_path / "x.nii")).affine.numpy(), expected, rtol=1e-6)


def test_a_header_without_a_place_is_told(tmp_path, write_nifti):
    placed = write_nifti(tmp_path, "placed.nii") / "placed.nii"
    image = nibabel.Nifti1Image(np.asarray(nibabel.load(placed).dataobj), None)
    nibabel.save(image, tmp_path / "nowhere.nii")
    assert load_volume(nifti(tmp_path / "nowhere.nii")).meta["place_assumed"]
    assert not load_volume(nifti(placed)).meta["place_assumed"]
