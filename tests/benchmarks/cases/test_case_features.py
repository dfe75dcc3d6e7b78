"""Whose cases are trained on, added and asked: different patients, and never those of the test."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from monai_memvit.__main__ import main
from monai_memvit.benchmarks.cases.case_features import (
    CaseFeatures,
    _save,
    case_class_names,
    chosen_cases,
    features_of,
    home_and_other,
    home_and_site,
)
from monai_memvit.data import load_section


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    main(["simulate", "patches", str(folder / "cohort.npz"), "--patients", "16", "--patches-per-patient", "12"])
    main(["prepare", "patches", str(folder / "cohort.npz"), str(folder / "data")])
    return folder / "data"


def _patients(items):
    return {item["group_id"] for item in items}


@pytest.mark.parametrize("screen", [False, True])
def test_home_site_and_test_share_no_patient(data, screen):
    parts = home_and_site(data, "test", 0, 12, screen, -1)
    home, site, test = (_patients(parts[name]) for name in ("home", "site", "test"))
    assert home and site and test and not home & site and not (home | site) & test
    assert (test <= _patients(load_section(data / "datalist.json", "training"))) == screen


def test_the_home_has_evenly_many_cases_of_all_classes(data):
    classes = len(case_class_names(data / "datalist.json"))
    labels = [item["label"] for item in home_and_site(data, "test", 0, 3 * classes, False, -1)["home"]]
    assert sorted(labels) == [c for c in range(classes) for _ in range(3)]


def test_the_home_has_no_case_of_a_new_class(data):
    parts = home_and_site(data, "test", 0, 12, False, 1)
    assert 1 not in {item["label"] for item in parts["home"]}
    assert 1 in {item["label"] for item in parts["site"]}


def test_the_seed_alone_decides(data):
    assert home_and_site(data, "test", 3, 12, True, -1) == home_and_site(data, "test", 3, 12, True, -1)
    assert _patients(home_and_site(data, "test", 3, 12, True, -1)["test"]) != _patients(
        home_and_site(data, "test", 4, 12, True, -1)["test"]
    )


def test_too_few_cases_are_told(data):
    with pytest.raises(ValueError, match="train on fewer than 100000"):
        home_and_site(data, "test", 0, 100_000, False, -1)


def _cases(count: int) -> CaseFeatures:
    rows = torch.arange(count)
    return CaseFeatures(rows[:, None].float(), torch.zeros(count, 2), rows % 3, rows // 2, rows)


def test_smaller_choices_are_parts_of_larger_ones():
    small, large = (set(chosen_cases(_cases(60), k, 0).ids.tolist()) for k in (2, 5))
    assert small < large and len(small) == 6 and len(large) == 15


def test_where_a_class_has_fewer_all_of_it_are_taken():
    assert len(chosen_cases(_cases(10), 100, 0).ids) == 10


def test_half_of_another_hospitals_patients_are_added(data):
    parts = home_and_other(data, data, "test", 0, 12, -1)
    site, test = (_patients(parts[name]) for name in ("site", "test"))
    assert not site & test and abs(len(site) - len(test)) <= 1 and len(site | test) == 16
    assert _patients(parts["home test"]) == _patients(load_section(data / "datalist.json", "test"))


def test_hospitals_have_the_same_classes_in_the_same_order(data, tmp_path):
    names = case_class_names(data / "datalist.json")
    told = json.loads((data / "datalist.json").read_text()) | {"class_names": names[::-1]}
    (tmp_path / "datalist.json").write_text(json.dumps(told))
    wanted = f"{data} has the classes {names}, {tmp_path} has {names[::-1]}"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        home_and_other(data, tmp_path, "test", 0, 12, -1)


MADE_OF = {"home_cases": 12, "overrides": {"batch_size": 4}, "fingerprint": "a"}


@pytest.fixture
def kept(tmp_path):
    """Features that need no network to be made."""
    path = tmp_path / "study_features" / "0.npz"
    found = {"home": _cases(6), "site/none": _cases(4), "site/stain": _cases(4)}
    _save(path, found, MADE_OF | {"body": "trained"})
    return path


def _kept(path, shifts=("none",), body="trained", **changed):
    return features_of(path, path, {}, {"home": [], "site": []}, shifts, body, MADE_OF | changed)


def test_features_are_made_once(kept):
    found = _kept(kept, ["none", "stain"])
    assert [*found] == ["home", "site/none", "site/stain"]
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(found["home"], _cases(6)))


@pytest.mark.parametrize(
    "changed", [{"home_cases": 13}, {"overrides": {}}, {"fingerprint": "b"}, {"body": "frozen"}, {"encoders": "c"}]
)
def test_features_of_other_settings_are_refused(kept, changed):
    with pytest.raises(ValueError, match=rf"0\.npz was made with another {[*changed][0]}: give another --out, or del"):
        _kept(kept, **changed)


def test_features_that_lack_a_shift_are_refused(kept):
    with pytest.raises(ValueError, match=r"0\.npz has nothing of site/coil: give another --out, or delete"):
        _kept(kept, ["none", "stain", "coil"])


def test_features_of_unknown_origin_are_refused(kept):
    np.savez(kept, **{f"home/{name}": column.numpy() for name, column in _cases(3)._asdict().items()})
    with pytest.raises(ValueError, match=r"0\.npz does not tell what it was made of: give another --out, or delete"):
        _kept(kept)
