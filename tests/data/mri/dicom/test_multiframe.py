"""Enhanced multi-frame MR images: frames by position and echo, each with its own rescale."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data.mri import FindOptions, find_studies
from monai_memvit.data.mri.dicom.files import read_object
from monai_memvit.data.mri.sources.load_volume import load_volume


def test_a_volume_is_read_from_the_bottom_up_whatever_the_order_of_frames(tmp_path, write_multiframe):
    stored = write_multiframe(tmp_path / "one.dcm")
    (study,), problems = find_studies(tmp_path, FindOptions(required=("t2",)))
    assert not problems
    source = study.sequences["t2"]
    assert source.files == (tmp_path / "one.dcm",) and source.frames == (5, 4, 3, 2, 1, 0)
    volume = load_volume(source)
    expected = stored[0][::-1] * (2.0 + np.arange(6)[::-1, None, None]) + 1  # slope 2 + i, intercept 1
    np.testing.assert_array_equal(volume[0].numpy(), expected.transpose(2, 1, 0))
    affine = np.array([[-1.1, 0, 0, 50], [0, -0.9, 0, -20], [0, 0, 4, -50], [0, 0, 0, 1]])
    np.testing.assert_allclose(volume.affine.numpy(), affine, atol=1e-9)


def test_two_echoes_in_one_file(tmp_path, write_multiframe):
    stored = write_multiframe(tmp_path / "two.dcm", echo_times=(15.0, 100.0), SeriesDescription="PD T2")
    (study,), problems = find_studies(tmp_path, FindOptions(required=("t2",)))
    assert not problems
    source = study.sequences["t2"]
    assert source.frames == (11, 10, 9, 8, 7, 6) and "TE 100 ms" in source.description
    assert float(load_volume(source)[0, 3, 2, 5]) == 2 * stored[1, 0, 2, 3] + 1
    assert ["TE 15 ms" in entry.what for entry in study.left_out] == [True]


def test_the_acquisition_contrast_and_the_agent_are_read(tmp_path, write_multiframe, change):
    write_multiframe(tmp_path / "x.dcm", echo_times=(10.0,))

    import pydicom

    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.MRImageFrameTypeSequence[0].AcquisitionContrast = "T1"
    agent = pydicom.Dataset()
    agent.CodeMeaning = "Gadobutrol"
    dataset.ContrastBolusAgentSequence = [agent]
    dataset.save_as(tmp_path / "x.dcm")
    attributes = read_object(tmp_path / "x.dcm").slices[0].attributes
    assert attributes.sequence_name == "T1" and attributes.agent == "Gadobutrol" and attributes.scanning == ("SE",)


def test_a_missing_frame_and_a_wrong_number_of_frames(tmp_path, write_multiframe, change):
    import pydicom

    write_multiframe(tmp_path / "x.dcm", SeriesDescription="T2")
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    del dataset.PerFrameFunctionalGroupsSequence[2]
    dataset.save_as(tmp_path / "x.dcm")
    with pytest.raises(ValueError, match="NumberOfFrames is 6, but 5 frames"):
        read_object(tmp_path / "x.dcm")
    change(tmp_path / "x.dcm", NumberOfFrames=5)
    studies, problems = find_studies(tmp_path, FindOptions(required=("t2",)))
    assert not studies and "1 slices missing" in problems[0].cause


def test_a_legacy_converted_image_is_read_by_its_unassigned_attributes(tmp_path, write_multiframe):
    import pydicom

    stored = write_multiframe(tmp_path / "x.dcm", EchoPulseSequence="")
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.4"
    shared = dataset.SharedFunctionalGroupsSequence[0]
    del shared.MRTimingAndRelatedParametersSequence
    left = pydicom.Dataset()
    left.RepetitionTime, left.ScanningSequence, left.SequenceVariant = 500, "SE", ["SK", "SP"]
    left.ContrastBolusAgent = "Gadovist"
    shared.UnassignedSharedConvertedAttributesSequence = [left]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        del frame.MREchoSequence
        mine = pydicom.Dataset()
        mine.EchoTime = 12
        frame.UnassignedPerFrameConvertedAttributesSequence = [mine]
    dataset.save_as(tmp_path / "x.dcm")
    attributes = read_object(tmp_path / "x.dcm").slices[0].attributes
    assert (attributes.repetition_time, attributes.echo_time, attributes.inversion_time) == (500, 12, None)
    assert (attributes.scanning, attributes.variant) == (("SE",), ("SK", "SP"))
    (study,), problems = find_studies(tmp_path)
    assert not problems and "contrast agent 'Gadovist'" in study.sequences["t1gd"].reason
    expected = stored[0][::-1] * (2.0 + np.arange(6)[::-1, None, None]) + 1
    np.testing.assert_array_equal(load_volume(study.sequences["t1gd"])[0].numpy(), expected.transpose(2, 1, 0))
