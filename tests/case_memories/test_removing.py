"""Cases removed from a bundle's memory, as if they had never been there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from monai_memvit.case_memories import BundleChoice, add_cases, remove_cases
from monai_memvit.data import Datalist


def stored(choice: BundleChoice) -> dict[str, torch.Tensor]:
    return torch.load(choice.memory_path, weights_only=True)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    extra = "_extra_state"
    return one[extra] == other[extra] and all(torch.equal(one[k], other[k]) for k in one if k != extra)


def test_a_removed_section_was_never_there(choice: BundleChoice, site: Path) -> None:
    add_cases(choice, site)
    before = stored(choice)
    content = json.loads(site.read_text())
    site.write_text(json.dumps(content | {"class_names": [*content["class_names"][:3], "rare"]}))
    extended = add_cases(choice, site, section="validation", new_classes=["rare"])
    removed = remove_cases(choice, site, section="validation")
    assert same(stored(choice), before)
    assert removed.changed == extended.changed and removed.new == extended.new - extended.changed
    home, again = extended.judgements[-1], removed.judgements[-1]
    assert (again.before, again.after) == (home.after, home.before)


def test_patients_who_were_in_the_memory_do_not_judge(choice: BundleChoice, site: Path) -> None:
    add_cases(choice, site, section="validation")
    extended = add_cases(choice, site)
    count = len(Datalist.load(site).sections["validation"])
    report = remove_cases(choice, site)
    assert [judged.name for judged in report.judgements] == ["home, validation (old site)"]
    assert report.not_judged == extended.not_judged and "site, validation: NOT JUDGED" in str(report)
    assert [(kept_out["cases"], kept_out["left"]) for kept_out in report.content()["not_judged"]] == [(count, 0)]
    last = remove_cases(choice, site, section="validation", judge_on="test")
    assert [judged.name for judged in last.judgements] == ["site, test", "home, validation (old site)"]
    assert not last.not_judged


@pytest.mark.parametrize("readable", [True, False])
def test_a_patient_is_removed_by_key_or_number(choice: BundleChoice, site: Path, readable: bool) -> None:
    add_cases(choice, site)
    patient = Datalist.load(site).sections["training"][0]
    word = patient["group_key"] if readable else str(patient["group_id"])
    report = remove_cases(choice, site if readable else None, groups=[word])
    left = stored(choice)["groups"].tolist()
    assert patient["group_id"] not in left and report.changed == 8
    assert len(report.judgements) == (2 if readable else 1)


def test_one_case_is_removed_by_key(choice: BundleChoice, site: Path) -> None:
    add_cases(choice, site)
    case = Datalist.load(site).sections["training"][3]
    assert remove_cases(choice, site, ids=[case["sample_key"]]).changed == 1
    assert case["sample_id"] not in stored(choice)["ids"].tolist()


def test_when_no_new_case_is_left_the_file_is_gone(choice: BundleChoice, site: Path) -> None:
    add_cases(choice, site)
    report = remove_cases(choice, site)
    assert report.new == 0 and "alone again" in str(report)
    assert not choice.memory_path.exists()


def test_what_is_not_there_is_not_removed(choice: BundleChoice, site: Path) -> None:
    with pytest.raises(ValueError, match="nothing says which"):
        remove_cases(choice)
    with pytest.raises(ValueError, match="holds none"):
        remove_cases(choice, site)
    with pytest.raises(ValueError, match="sample nobody is no sample"):
        remove_cases(choice, site, ids=["nobody"])
