"""One series may hold several volumes, or none."""

from __future__ import annotations

import numpy as np
import pytest

from monai_memvit.data.mri.dicom.files import read_object
from monai_memvit.data.mri.dicom.series import series_candidates


def candidates(paths, min_slices=5):
    """The candidates of the files of one series."""
    return series_candidates([s for path in paths for s in read_object(path).slices], "series 1: x", min_slices)


def test_two_echoes_are_two_volumes_told_apart_by_their_label(tmp_path, write_series):
    paths = [
        path
        for echo in (20, 100)
        for path in write_series(
            tmp_path / str(echo), 1, SeriesDescription="T2 dual", EchoTime=echo, RepetitionTime=4000
        )
    ]
    first, second = candidates(paths)
    assert (first.label, second.label) == ("series 1: x [TE 20 ms]", "series 1: x [TE 100 ms]")
    assert first.match is None and second.match.name == "t2"
    assert len(first.files) == len(second.files) == 6


def test_several_orientations_are_a_localizer(tmp_path, write_series):
    paths = []
    for i, directions in enumerate([np.eye(3), np.eye(3)[:, [1, 2, 0]], np.eye(3)[:, [0, 2, 1]]]):
        paths += write_series(tmp_path / str(i), 1, SeriesDescription="T1", directions=directions)
    found = candidates(paths)
    assert len(found) == 3
    assert all("several orientations" in candidate.why_not for candidate in found)


def test_a_dynamic_series_is_passed_over(tmp_path, write_series):
    paths = [p for i in range(3) for p in write_series(tmp_path / str(i), 1, SeriesDescription="T1 post", EchoTime=5)]
    (candidate,) = candidates(paths)
    assert "3 images at each of its 6 positions" in candidate.why_not


def test_missing_and_doubled_slices_are_faults(tmp_path, write_series):
    paths = write_series(tmp_path, 1, SeriesDescription="T1")
    assert "1 slices missing, first between -26.00 mm and -18.00 mm" in candidates(paths[:2] + paths[3:])[0].faults[0]
    assert "doubled" in candidates([*paths, paths[2]])[0].faults[0]
    assert not candidates(paths)[0].faults


def test_rounding_of_orientations_does_not_split(tmp_path, write_series, change, oblique):
    paths = write_series(tmp_path, 1, SeriesDescription="T1", directions=oblique)
    for i, path in enumerate(paths):
        change(path, ImageOrientationPatient=[f"{x + 1e-5 * (-1) ** i:.6f}" for x in oblique[:, :2].T.ravel()])
    (candidate,) = candidates(paths)
    assert not candidate.faults and len(candidate.files) == 6


def test_a_time_that_is_rounded_in_some_headers_does_not_split(tmp_path, write_series, change):
    paths = write_series(tmp_path, 1, SeriesDescription="T1 GD", EchoTime=10, InversionTime=900, count=8)
    for path in paths[-2:]:
        change(path, EchoTime="10.0001", InversionTime="905")
    (candidate,) = candidates(paths)
    assert len(candidate.files) == 8 and not candidate.faults


@pytest.mark.parametrize("others", [slice(6, 8), slice(0, 1), slice(3, 5), slice(0, 8, 2)])
def test_a_stack_in_two_pieces_is_a_fault_of_both(tmp_path, write_series, change, others):
    paths = write_series(tmp_path, 1, SeriesDescription="T1 GD", EchoTime=10, RepetitionTime=500, count=8)
    for path in paths[others]:
        change(path, EchoTime="14")
    found = candidates(paths)
    assert sorted(candidate.label for candidate in found) == [
        "series 1: x [TE 10 ms]",
        "series 1: x [TE 14 ms]",
    ]
    assert all("one stack in two pieces" in candidate.faults[-1] for candidate in found)
    assert any("go on in the" in c.faults[-1] and "[TE 14 ms]" in c.faults[-1] for c in found)


def test_volumes_at_the_same_places_or_far_apart_are_whole(tmp_path, write_series):
    paths = [
        *write_series(tmp_path / "a", 1, EchoTime=20, RepetitionTime=4000),
        *write_series(tmp_path / "b", 1, EchoTime=100, RepetitionTime=4000),
        *write_series(tmp_path / "c", 1, EchoTime=200, RepetitionTime=4000, spacing=-4.0, count=2),
    ]
    assert not any(candidate.faults for candidate in candidates(paths))
