"""Names of the public collections."""

from __future__ import annotations

import pytest

from monai_memvit.data.mri.sources.file_names import bids_entities, match_bids_name, match_file_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("t1.nii.gz", "t1"),
        ("T1GD.nii", "t1gd"),
        ("BraTS-GLI-00001-000-t1n.nii.gz", "t1"),
        ("BraTS-GLI-00001-000-t1c.nii.gz", "t1gd"),
        ("BraTS-GLI-00001-000-t2w.nii.gz", "t2"),
        ("BraTS-GLI-00001-000-t2f.nii.gz", "flair"),
        ("BraTS-GLI-00001-000-seg.nii.gz", "tumour_mask"),
        ("BraTS20_Training_001_t1ce.nii.gz", "t1gd"),
        ("BraTS20_Training_001_flair.nii.gz", "flair"),
        ("UPENN-GBM-00001_11_T1GD.nii.gz", "t1gd"),
        ("UPENN-GBM-00001_11_segm.nii.gz", "tumour_mask"),
        ("UCSF-PDGM-0004_T1c.nii.gz", "t1gd"),
        ("UCSF-PDGM-0004_tumor_segmentation.nii.gz", "tumour_mask"),
        ("UCSF-PDGM-0004_brain_segmentation.nii.gz", "brain_mask"),
        ("p1_t1_post.nii.gz", "t1gd"),
        ("p1_t1_pre_contrast.nii.gz", "t1"),
        ("p1_t1_post_op.nii.gz", "t1"),
        ("p1_preop_t1_gd.nii.gz", "t1gd"),
        ("pre-op_t1gd.nii.gz", "t1gd"),
        ("t2_flair.nii.gz", "flair"),
        ("APTw.nii.gz", "apt"),
        ("tumour_fused.nii.gz", "tumour_mask"),
        ("brain_mask_on_t1gd.nii.gz", "brain_mask"),
        ("t1_brainmask.nii.gz", "brain_mask"),
        ("t1_bet.nii.gz", "t1"),
        ("t1_bet_mask.nii.gz", "brain_mask"),
        ("mask.nii.gz", None),
        ("t1_to_t2.nii.gz", None),
        ("dwi.nii.gz", None),
        ("adc_map.nii.gz", None),
    ],
)
def test_plain_names(name, expected):
    match = match_file_name(name)
    assert (match.name if match else None) == expected


def test_the_name_of_the_case_is_not_read_as_a_sequence():
    assert match_file_name("gd-post-07_t1.nii.gz", "gd-post-07").name == "t1"
    assert match_file_name("t1gd.nii.gz", "t1").name == "t1gd"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-1_T1w.nii.gz", "t1"),
        ("sub-1_ce-gadolinium_T1w.nii.gz", "t1gd"),
        ("sub-1_ce-none_T1w.nii.gz", "t1"),
        ("sub-1_acq-postgd_T1w.nii.gz", "t1gd"),
        ("sub-1_acq-precontrast_T1w.nii.gz", "t1"),
        ("sub-1_acq-space_T1w.nii.gz", "t1"),
        ("sub-1_acq-postop_T1w.nii.gz", "t1"),
        ("sub-1_acq-preopgd_T1w.nii.gz", "t1gd"),
        ("sub-1_desc-ce_T1w.nii.gz", "t1gd"),
        ("sub-1_ce-gad_T2w.nii.gz", "t2"),
        ("sub-1_FLAIR.nii.gz", "flair"),
        ("sub-1_APTw.nii.gz", "apt"),
        ("sub-1_desc-brain_mask.nii.gz", "brain_mask"),
        ("sub-1_label-tumor_mask.nii.gz", "tumour_mask"),
        ("sub-1_desc-lesion_mask.nii.gz", "tumour_mask"),
        ("sub-1_desc-eye_mask.nii.gz", None),
        ("sub-1_T2starw.nii.gz", None),
        ("sub-1_bold.nii.gz", None),
    ],
)
def test_bids_names(name, expected):
    match = match_bids_name(name)
    assert (match.name if match else None) == expected


def test_entities_and_suffix():
    assert bids_entities("sub-01_ses-1_ce-gad_T1w.nii.gz") == ({"sub": "01", "ses": "1", "ce": "gad"}, "T1w")
