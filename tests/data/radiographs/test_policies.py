"""What uncertain and missing labels count as."""

from __future__ import annotations

import pytest

from monai_memvit.data.radiographs.label_files.film_labels import MISSING, UNCERTAIN
from monai_memvit.data.radiographs.policies import LabelPolicy, applied_labels, choose_findings

FOUND = ["No Finding", "Edema", "Nodule", "Support Devices"]
CHOSEN = ["Nodule", "Edema", "Support Devices"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (LabelPolicy(), (-1, -1, 1)),
        (LabelPolicy(uncertain="zeros"), (-1, 0, 1)),
        (LabelPolicy(uncertain="ones", missing="zeros"), (0, 1, 1)),
        (LabelPolicy(uncertain="ones", uncertain_of={"Edema": "zeros"}), (-1, 0, 1)),
    ],
)
def test_policies(policy: LabelPolicy, expected: tuple[int, ...]) -> None:
    assert applied_labels([MISSING, UNCERTAIN, MISSING, 1], FOUND, CHOSEN, policy) == expected


def test_no_finding_makes_what_is_not_mentioned_absent_but_for_support_devices() -> None:
    assert applied_labels([1, MISSING, UNCERTAIN, MISSING], FOUND, CHOSEN, LabelPolicy()) == (-1, 0, -1)
    assert applied_labels([0, MISSING, 1, MISSING], FOUND, CHOSEN, LabelPolicy()) == (1, -1, -1)


def test_no_finding_is_a_finding_only_when_asked_for() -> None:
    assert choose_findings(FOUND, None, LabelPolicy()) == FOUND[1:]
    assert choose_findings(FOUND, ["No Finding", "Nodule"], LabelPolicy()) == ["No Finding", "Nodule"]
    assert choose_findings(["Normal"], None, LabelPolicy()) == ["Normal"]


@pytest.mark.parametrize(
    ("wanted", "policy", "message"),
    [
        (["Mass"], LabelPolicy(), "'Mass' is unknown, there are No Finding, Edema"),
        (["Edema", "Edema"], LabelPolicy(), "name each once"),
        (["Edema"], LabelPolicy(uncertain_of={"Nodule": "ones"}), "'Nodule' is unknown, there are Edema"),
    ],
)
def test_findings_that_do_not_fit_are_named(wanted: list[str], policy: LabelPolicy, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_findings(FOUND, wanted, policy)


@pytest.mark.parametrize("words", [{"uncertain": "one"}, {"missing": "ones"}, {"uncertain_of": {"Edema": "no"}}])
def test_other_words_are_refused(words: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="policy for .* take one of ignore, zeros"):
        LabelPolicy(**words)  # type: ignore[arg-type]
