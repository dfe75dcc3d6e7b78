"""The folder of pre-trained weights that the networks of a study begin with."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

__all__ = ["encoder_of", "encoders_digest"]


def encoder_of(folder: Path, seed: int) -> Path:
    """The pre-trained weights that a seed begins with.

    Args:
        folder: of ``*.pt``; where there are fewer than seeds, they serve in turns.
        seed: of the run.

    Returns:
        one of them.

    Raises:
        ValueError: when there is none.
    """
    files = _encoders(folder)
    return files[seed % len(files)]


def encoders_digest(folder: Path) -> str:
    """What tells one folder of weights from another: other weights, and weights that serve other seeds.

    Args:
        folder: of ``*.pt``.

    Returns:
        digest of all their names and bytes.

    Raises:
        ValueError: when there is none.
    """
    told = [[path.name, sha256(path.read_bytes()).hexdigest()] for path in _encoders(folder)]
    return sha256(json.dumps(told).encode()).hexdigest()


def _encoders(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.pt"))
    if not files:
        raise ValueError(f"{folder} has no *.pt: give the folder of the pre-trained weights.")
    return files
