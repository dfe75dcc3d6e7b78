"""The names others build on. After a deliberate change run `make api`, which runs this file as a script."""

from __future__ import annotations

import json
import pkgutil
from importlib import import_module
from pathlib import Path

import monai_memvit

RECORD = Path(__file__).with_name("api_surface.json")
POLICY = (
    "Public names stay: a name is first deprecated for one minor version (it works and warns), then removed with an "
    "entry in CHANGELOG.md. If that has happened, run `make api`."
)


def present_surface() -> dict[str, list[str]]:
    """Package -> the names in its ``__all__``, for the package itself and its subpackages."""
    found = pkgutil.walk_packages(monai_memvit.__path__, "monai_memvit.")
    packages = ["monai_memvit", *sorted(info.name for info in found if info.ispkg)]
    return {name: sorted(getattr(import_module(name), "__all__", ())) for name in packages}


def missing(recorded: dict[str, list[str]], present: dict[str, list[str]]) -> list[str]:
    """Dotted names in the first that the second lacks."""
    return [
        f"{home}.{name}" for home, names in recorded.items() for name in sorted({*names} - {*present.get(home, ())})
    ]


def test_no_public_name_has_gone() -> None:
    gone = missing(json.loads(RECORD.read_text()), present_surface())
    assert not gone, f"{gone} can no longer be imported. {POLICY}"


def test_every_public_name_is_recorded() -> None:
    new = missing(present_surface(), json.loads(RECORD.read_text()))
    assert not new, f"{new} are new: record them by `make api`, so that they are kept from now on."


def test_a_removed_name_and_a_removed_package_are_noticed() -> None:
    recorded = {"a": ["One", "Two"], "a.b": ["Three"]}
    assert missing(recorded, {"a": ["Two", "Four"]}) == ["a.One", "a.b.Three"]
    assert missing(recorded, recorded) == []


def test_every_public_name_can_be_imported() -> None:
    broken = [
        f"{home}.{name}"
        for home, names in present_surface().items()
        for name in names
        if not hasattr(import_module(home), name)
    ]
    assert not broken


if __name__ == "__main__":
    RECORD.write_text(json.dumps(present_surface(), indent=2) + "\n")
    print(f"wrote {RECORD}")
