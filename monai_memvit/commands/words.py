"""How the commands read words and tell what they did."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

__all__ = ["Modalities", "comma_separated", "named_value", "tell"]

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
