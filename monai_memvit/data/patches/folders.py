"""Class-folder trees: one folder of images per class, the images stay in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .source import PatchRecord, PatchSource, split_name

__all__ = ["IMAGE_SUFFIXES", "read_class_folders"]

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
_NCT_TRAIN = ("NCT-CRC-HE-100K", "NCT-CRC-HE-100K-NONORM")
_NCT_TEST = "CRC-VAL-HE-7K"
_SPLIT_FOLDERS = ("train", "training", "val", "valid", "validation", "test", "testing")


def read_class_folders(
    source: Path, class_names: Sequence[str] | None = None, group_pattern: str | None = None
) -> PatchSource:
    """List the images of a class-folder tree.

    Three layouts are known: ``NCT-CRC-HE-100K`` (or ``-NONORM``) and, as test, ``CRC-VAL-HE-7K`` under ``source``;
    ``train``, ``val`` and ``test`` folders of class folders; class folders directly under ``source``. Hidden files and
    files that are no images are passed over. The sample key is the path relative to ``source``.

    Args:
        source: the tree.
        class_names: classes in label order; by default the folders of all splits in alphabetical order.
        group_pattern: regular expression with one capture group, searched in the path below the class folder, that
            gives the patient or slide; by default every image is a group of its own.

    Raises:
        ValueError: where no layout fits, a class is unknown, a class folder is empty, or the pattern does not match.
    """
    find_group = _group_finder(group_pattern)
    trees = _split_trees(source)
    names = _class_names(trees, class_names)
    records = []
    for tree, split in trees:
        for folder in _visible_folders(tree):
            for path in _images(folder):
                key = path.relative_to(source).as_posix()
                group = find_group(path, folder) or key
                records.append(PatchRecord(key, group, names.index(folder.name), split, path, str(path)))
    return PatchSource(source.resolve().name, names, records)


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _images(folder: Path) -> Iterator[Path]:
    """Yield the images below a class folder in the order of their paths."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    found = sorted(path for path in files if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ValueError(
            f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)}): every folder there is read as a class; remove it"
        )
    yield from found


def _split_trees(source: Path) -> list[tuple[Path, str | None]]:
    """Return the folders that hold class folders, with their split."""
    folders = {folder.name: folder for folder in _visible_folders(source)}
    nct = [name for name in _NCT_TRAIN if name in folders]
    if len(nct) == 2:
        raise ValueError(f"{source} holds {nct[0]} and {nct[1]}, the same tissue twice: move one away")
    if nct:
        test = [(folders[_NCT_TEST], "test")] if _NCT_TEST in folders else []
        return [(folders[nct[0]], "train"), *test]
    splits = [name for name in folders if name.lower() in _SPLIT_FOLDERS]
    if splits and len(splits) < len(folders):
        others = ", ".join(sorted(set(folders) - set(splits)))
        raise ValueError(f"{source} holds split folders ({', '.join(splits)}) and others ({others}): move these away")
    if splits:
        return [(folders[name], split_name(name, str(source))) for name in splits]
    if not folders:
        raise ValueError(f"{source} holds no class folders: give the folder above the folders of images")
    return [(source, None)]


def _class_names(trees: Sequence[tuple[Path, str | None]], given: Sequence[str] | None) -> list[str]:
    found = {folder.name: folder for tree, _ in trees for folder in _visible_folders(tree)}
    for name, folder in found.items():
        if given is not None and name not in given:
            raise ValueError(f"{folder}: class {name!r} is unknown, the classes are {', '.join(given)}: add or move it")
    names = sorted(found) if given is None else list(given)
    for tree, split in trees:
        absent = sorted(set(names) - {folder.name for folder in _visible_folders(tree)})
        if split in ("train", None) and absent:
            raise ValueError(f"{tree} lacks the class {', '.join(absent)}: training needs images of every class")
    return names


def _group_finder(pattern: str | None) -> Callable[[Path, Path], str | None]:
    """Return a function of an image and its class folder that gives the group; without a pattern it gives None."""
    if pattern is None:
        return lambda path, folder: None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"group pattern {pattern!r} is no regular expression: {error}") from None
    if compiled.groups != 1:
        raise ValueError(f"group pattern {pattern!r} has {compiled.groups} capture groups: give exactly one, (…)")

    def find(path: Path, folder: Path) -> str:
        match = compiled.search(path.relative_to(folder).as_posix())
        if match is None or not match[1]:
            raise ValueError(f"{path}: group pattern {pattern!r} finds no group in its name: correct the pattern")
        return match[1]

    return find
