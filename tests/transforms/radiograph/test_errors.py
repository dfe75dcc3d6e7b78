from __future__ import annotations

from monai_memvit.transforms.radiograph.errors import DisplayError, in_few_words


def test_it_is_a_value_error() -> None:
    assert issubclass(DisplayError, ValueError)


def test_the_cause_stands_last_and_is_short() -> None:
    assert in_few_words(ValueError("all plugins failed:\n  gdcm: no")) == "gdcm: no"
    assert in_few_words(KeyError()) == "KeyError"
    assert len(in_few_words(ValueError("x" * 999))) == 200
