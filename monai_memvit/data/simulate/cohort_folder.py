"""The folder of a simulated cohort: of one cohort only, and gone on with where a run was killed."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..atomic import atomic_write_json, atomic_write_text, sync_folder

__all__ = ["check_counts", "open_cohort", "whole_folder"]


def check_counts(patients: int, seed: int) -> None:
    """Check the numbers that every cohort has.

    Args:
        patients: at least 1.
        seed: at least 0.

    Raises:
        ValueError: for less.
    """
    for name, value, least in (("patients", patients, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} is {value}: give {least} or more")


def open_cohort(out: Path, settings: dict[str, Any], readme: str) -> None:
    """Make the folder, or see that it is of the same cohort.

    Args:
        out: the folder: new, empty, or of the same cohort.
        settings: what tells the cohort apart, of plain JSON types or tuples; kept in ``cohort.json``.
        readme: text of ``README.txt``.

    Raises:
        ValueError: where the folder is a file, or holds something else.
    """
    record = out / "cohort.json"
    if record.exists():
        if json.loads(record.read_text(encoding="utf-8")) != json.loads(json.dumps(settings)):
            raise ValueError(f"{out} holds a cohort of other settings (see {record}): name a new folder, or remove it")
        for leftover in [*out.rglob(".*.tmp")]:  # of a run that was killed
            shutil.rmtree(leftover, ignore_errors=True)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not empty and holds no simulated cohort: name a new folder")
    else:
        out.mkdir(parents=True, exist_ok=True)
        atomic_write_json(record, settings)  # first: without it a killed run could not go on
    atomic_write_text(out / "README.txt", readme)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a folder to write to, which takes its name once it is complete.

    Args:
        target: the name it takes; nothing may be there.
    """
    folder = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    folder.mkdir()
    try:
        yield folder
        folder.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
