"""Words of the command line, and what is told at the end."""

from __future__ import annotations

import argparse

import pytest

from monai_memvit.commands.words import Modalities, comma_separated, named_value, positive_number, refuse_idle, tell


def test_lists_and_named_values() -> None:
    assert comma_separated("a, b,c d") == ["a", "b", "c d"]
    assert named_value("pd=proton=1") == ("pd", "proton=1")
    with pytest.raises(argparse.ArgumentTypeError, match="'pd' has no '='"):
        named_value("pd")


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "ten", ""])
def test_numbers_above_0(text: str) -> None:
    assert positive_number("2.5") == 2.5
    with pytest.raises(argparse.ArgumentTypeError, match="is no number above 0"):
        positive_number(text)


def add(modalities: Modalities) -> None:
    """A command of two options."""
    parser = modalities.add_parser("film")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-gb", type=float)


@pytest.mark.parametrize(
    ("given", "idle"),
    [
        ({"seed": 0, "max_gb": None}, ""),
        ({"seed": 1, "max_gb": None}, "--seed"),
        ({"seed": 1, "max_gb": 2.0}, "--seed, --max-gb"),
    ],
)
def test_idle_options_are_named(given: dict[str, object], idle: str) -> None:
    options = argparse.Namespace(out="o", **given)
    refuse_idle(options, add, ["film", "o"], ("out", "seed", "max_gb"), "why")
    if not idle:
        refuse_idle(options, add, ["film", "o"], ("out",), "why")
        return
    with pytest.raises(ValueError, match=f"^why: {idle} would do nothing"):
        refuse_idle(options, add, ["film", "o"], ("out",), "why")


def test_what_is_left_out_gives_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("the report", []) == 0
    assert tell("the report", ["left out: a", "left out: b"]) == 3
    captured = capsys.readouterr()
    assert captured.out == "the report\n" * 2 and captured.err == "left out: a\nleft out: b\n"
