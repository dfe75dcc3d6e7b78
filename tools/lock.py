"""Turn pip's installation report (standard input) into the lines of a constraints file (standard output)."""

from __future__ import annotations

import json
import sys

HEADER = """\
# Every package that monai_memvit[all] brings, at the version it is tested with, on Python 3.11 without a GPU.
# Made by `make lock`. A release for another platform, such as 2.13.0+cpu, satisfies the version without its suffix.
"""


def pins(report: dict) -> list[str]:
    """``name==version`` of what the report would install, without local suffixes and without the project itself."""
    packages = [entry["metadata"] for entry in report["install"] if not entry.get("is_direct")]
    lines = {f"{package['name'].lower().replace('_', '-')}=={package['version'].split('+')[0]}" for package in packages}
    return sorted(lines)


if __name__ == "__main__":
    print(HEADER + "\n".join(pins(json.load(sys.stdin))))
