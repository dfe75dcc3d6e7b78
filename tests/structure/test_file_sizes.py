"""A library file that no longer fits in a head has become two."""

from __future__ import annotations

from pathlib import Path

LONGEST = 450


def test_no_library_file_is_too_long(package_root: Path) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in package_root.rglob("*.py")}
    assert lengths, f"no files in {package_root}"
    too_long = {str(path.relative_to(package_root)): n for path, n in lengths.items() if n > LONGEST}
    assert not too_long, f"over {LONGEST} lines, split them: {too_long}"
