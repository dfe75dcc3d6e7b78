"""Options that contradict themselves are refused before a file is opened."""

from __future__ import annotations

import pytest

from monai_memvit.data.mri import FindOptions


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sequences": ()}, "at least one"),
        ({"sequences": ("t1", "t1"), "required": ()}, "different names"),
        ({"sequences": ("swi",), "required": ()}, "'swi' is not one of .*regular expression"),
        ({"sequences": ("t1", "tumour_mask"), "required": ()}, "'tumour_mask' is not one of"),
        ({"sequences": ("t1",)}, "required: t1gd is not among"),
        ({"patterns": {"t3": "x"}}, "patterns: 't3' is no sequence"),
        ({"patterns": {"t1": "("}}, "no regular expression"),
        ({"patient_pattern": "p.*"}, "exactly one capture group"),
        ({"min_slices": 0}, "min_slices=0"),
    ],
)
def test_errors_name_the_argument(arguments, words):
    with pytest.raises(ValueError, match=words):
        FindOptions(**arguments)


def test_another_sequence_needs_only_a_pattern():
    options = FindOptions(sequences=("t1gd", "swi"), patterns={"swi": "SWI|swan"})
    assert options.compiled_patterns()["swi"].search("Ax SWAN")
