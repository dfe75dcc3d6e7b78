"""How the commands read words and tell what they did."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

__all__ = ["comma_separated", "json_value", "named_value", "positive_number", "refuse_idle", "tell"]

if TYPE_CHECKING:
    Modalities = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Modalities = argparse._SubParsersAction


def comma_separated(text: str) -> list[str]:
    """Read ``A,B,C``.

    Args:
        text: a word of the command line.
    """
    return [name.strip() for name in text.split(",")]


def named_value(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``.

    Args:
        text: a word of the command line.

    Raises:
        argparse.ArgumentTypeError: without ``=``.
    """
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} has no '=': give NAME=VALUE")
    return name, value


def json_value(text: str) -> tuple[str, Any]:
    """Read ``KEY=JSON``.

    Args:
        text: a word of the command line.

    Raises:
        argparse.ArgumentTypeError: for anything else.
    """
    name, value = named_value(text)
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        raise argparse.ArgumentTypeError(f"{text!r}: words stand in quotes: preset='\"micro\"'") from None


def positive_number(text: str) -> float:
    """Read a number above 0.

    Args:
        text: a word of the command line.

    Raises:
        argparse.ArgumentTypeError: for anything else, infinity among it.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def refuse_idle(
    options: argparse.Namespace,
    add: Callable[[Modalities], None],
    words: Sequence[str],
    read: Collection[str],
    why: str,
) -> None:
    """Refuse options that were given and would do nothing.

    Args:
        options: of the command line.
        add: adds the command that they were given to.
        words: that command without any option.
        read: names of the options that do something.
        why: the others do not.

    Raises:
        ValueError: naming those that differ from their defaults.
    """
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    usual = vars(parser.parse_args(words))
    idle = [name for name, value in vars(options).items() if name not in read and value != usual[name]]
    if idle:
        named = ", ".join("--" + name.replace("_", "-") for name in idle)
        raise ValueError(f"{why}: {named} would do nothing, leave it out")


def tell(report: object, left_out: Sequence[str]) -> int:
    """Print what was left out, then the report.

    Args:
        report: its text is printed.
        left_out: one line each, to stderr.

    Returns:
        exit code: 3 where anything was left out, else 0.
    """
    for line in left_out:
        print(line, file=sys.stderr)
    print(report)
    return 3 if left_out else 0
