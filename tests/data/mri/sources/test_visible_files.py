"""Links to folders, in circles and twice."""

from __future__ import annotations

from pathlib import Path

from monai_memvit.data.mri.sources.visible_files import visible_files


def make(root: Path, *names: str) -> Path:
    """Make empty files."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path) -> list[str]:
    """The paths below the root."""
    return [path.relative_to(root).as_posix() for path in visible_files(root)]


def test_files_are_sorted_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "b/2", "b/1", "a", ".hidden", ".folder/x", "__MACOSX/x", "b/c/d/3")
    assert found(tmp_path) == ["a", "b/1", "b/2", "b/c/d/3"]


def test_a_linked_folder_is_read(tmp_path: Path) -> None:
    make(tmp_path, "store/p1/x", "store/p1/deep/y")
    make(tmp_path, "source/p0/x")
    (tmp_path / "source" / "p1").symlink_to(tmp_path / "store" / "p1")
    assert found(tmp_path / "source") == ["p0/x", "p1/deep/y", "p1/x"]


def test_a_circle_ends(tmp_path: Path) -> None:
    make(tmp_path, "source/p/x", "y")
    (tmp_path / "source" / "p" / "up").symlink_to(tmp_path / "source")
    (tmp_path / "source" / "above").symlink_to(tmp_path)
    assert found(tmp_path / "source") == ["above/y", "p/x"]


def test_what_two_paths_lead_to_is_read_once_by_the_one_without_links(tmp_path: Path) -> None:
    make(tmp_path, "p/x", "store/q/y")
    for name in ("a_link", "z_link"):
        (tmp_path / name).symlink_to(tmp_path / "p")
    (tmp_path / "a_deep").symlink_to(tmp_path / "store" / "q")
    assert found(tmp_path) == ["p/x", "store/q/y"]


def test_the_source_may_be_a_link(tmp_path: Path) -> None:
    make(tmp_path, "real/x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert found(tmp_path / "link") == ["x"]
