"""Whether films are shown as the standard says, against an independent evaluation and against highdicom."""

from __future__ import annotations

import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...data.simulate.radiographs import expected_display, film_combinations, simulate_film_combinations
from ...data.simulate.radiographs.expected import padding_mask, stored_values
from ...transforms.radiograph import DisplayError, LoadRadiograph
from .radiograph_departures import HAS_HIGHDICOM, departures, highdicom_display

__all__ = ["TOLERANCE", "compare_combinations", "compare_films", "unexplained"]

TOLERANCE = 1e-6
_PICTURES = (".png", ".jpg", ".jpeg", ".csv", ".json", ".txt", ".md")


class _Verdict(NamedTuple):
    """How highdicom shows a film: equal, differs, refuses, or not asked; and the reason that is known for it."""

    outcome: str
    difference: float
    reason: str


def compare_combinations(size: tuple[int, int], seed: int, progress: bool = False) -> dict[str, Any]:
    """Write every combination and compare what is shown of it.

    Args:
        size: rows and columns of the film.
        seed: of it.
        progress: whether to show a bar on stderr.

    Returns:
        counts and largest differences: ``standard`` by transfer syntax, ``highdicom`` by reason.
    """
    rows = []
    with tempfile.TemporaryDirectory() as parent:
        folder = simulate_film_combinations(Path(parent) / "films", size, seed, progress=progress)
        for combination in film_combinations():
            row = _compare(folder / f"{combination.name}.dcm", np.load(folder / f"{combination.name}.npy"))
            rows.append({"film": combination.name, "syntax": combination.syntax, **row})
    return {"size": list(size), "seed": seed, **_summary(rows)}


def compare_films(folders: Sequence[Path]) -> dict[str, Any]:
    """Compare what is shown of every DICOM file below some folders.

    Films of other modalities than radiography, which the reader refuses unless it is told otherwise, are compared too.

    Args:
        folders: with DICOM files at any depth.

    Returns:
        as :func:`compare_combinations`, and ``refused``: the reason by file.

    Raises:
        ValueError: when there is no file.
    """
    rows, refused = [], {}
    for folder, path in _files(folders):
        name = str(path.relative_to(folder))
        try:
            LoadRadiograph(modalities=None)(path)
        except DisplayError as error:
            refused[name] = str(error).removeprefix(f"{path}: ")
            continue
        rows.append({"film": name, "syntax": "", **_compare(path, None)})
    if not rows and not refused:
        raise ValueError(f"there is no file in {', '.join(map(str, folders))}: name folders of DICOM files")
    return {"films": rows, "refused": refused, **_summary(rows)}


def unexplained(found: dict[str, Any]) -> list[str]:
    """Films that are shown otherwise than they should be, with no reason for it.

    Args:
        found: of :func:`compare_combinations` or :func:`compare_films`.

    Returns:
        names; empty when all is well.
    """
    return [*found["standard"]["unequal"], *found["highdicom"]["unexplained"]]


def _files(folders: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix.lower() not in _PICTURES:
                yield folder, path


def _compare(path: Path, expected: np.ndarray | None) -> dict[str, Any]:
    """Ours, the standard and highdicom on one file that ours reads."""
    import pydicom

    try:
        shown = LoadRadiograph(modalities=None)(path).numpy()[0].astype(np.float64)
    except DisplayError as error:  # a combination must not be refused
        return {"standard": np.inf, "highdicom": _Verdict("not asked", 0.0, str(error))._asdict()}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        # Read twice: highdicom would take over the pixels that pydicom has decoded, and corrected.
        dataset, theirs = (pydicom.dcmread(path, force=True) for _ in range(2))
        for one in (dataset, theirs):
            if not getattr(one, "file_meta", {}).get("TransferSyntaxUID"):
                one.file_meta.TransferSyntaxUID = _guessed_syntax(one)
        stored = _stored(dataset)
        expected = expected_display(dataset, stored) if expected is None else expected
        verdict = _ask_highdicom(theirs, shown, padding_mask(dataset, stored))
    return {"standard": float(np.abs(shown - expected).max()), "highdicom": verdict._asdict()}


def _stored(dataset: Any) -> np.ndarray:
    cells = dataset.pixel_array.astype(np.int64) & (2**dataset.BitsAllocated - 1)
    high_bit = dataset.get("HighBit", dataset.BitsStored - 1)
    return stored_values(cells, dataset.BitsStored, high_bit, bool(dataset.PixelRepresentation))


def _guessed_syntax(dataset: Any) -> Any:
    from pydicom import uid

    implicit, little = dataset.original_encoding
    explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
    return uid.ImplicitVRLittleEndian if implicit else explicit


def _ask_highdicom(dataset: Any, shown: np.ndarray, padding: np.ndarray) -> _Verdict:
    """Padding is left out: highdicom shows it as if it were image."""
    if not HAS_HIGHDICOM:
        return _Verdict("not asked", 0.0, "highdicom is not installed")
    reasons = departures(dataset)
    try:
        theirs = highdicom_display(dataset)
    except Exception as error:  # whatever it raises is told
        return _Verdict("refuses", 0.0, reasons[0] if reasons else _in_one_line(error))
    difference = float(np.nan_to_num(np.abs(theirs - shown)[~padding], nan=1.0).max(initial=0.0))
    if difference <= TOLERANCE:
        return _Verdict("equal", difference, "")
    return _Verdict("differs", difference, reasons[0] if reasons else "")


def _in_one_line(error: Exception) -> str:
    return f"highdicom: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    equal = [row for row in rows if row["standard"] <= TOLERANCE]
    verdicts = [row["highdicom"] for row in rows]
    syntaxes = {
        syntax: {
            "files": sum(row["syntax"] == syntax for row in rows),
            "largest": max(row["standard"] for row in rows if row["syntax"] == syntax),
        }
        for syntax in dict.fromkeys(row["syntax"] for row in rows)
    }
    return {
        "files": len(rows),
        "standard": {
            "equal": len(equal),
            "largest": max((row["standard"] for row in equal), default=0.0),
            "unequal": [row["film"] for row in rows if not row["standard"] <= TOLERANCE],
            "by_syntax": syntaxes,
        },
        "highdicom": {
            **{outcome: sum(one["outcome"] == outcome for one in verdicts) for outcome in _OUTCOMES},
            "largest": max((one["difference"] for one in verdicts if one["outcome"] == "equal"), default=0.0),
            "reasons": _by_reason(verdicts),
            "unexplained": [
                row["film"]
                for row in rows
                if row["highdicom"]["outcome"] == "differs" and not row["highdicom"]["reason"]
            ],
        },
    }


_OUTCOMES = ("equal", "differs", "refuses", "not asked")


def _by_reason(verdicts: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    kinds = Counter((one["reason"], one["outcome"]) for one in verdicts if one["outcome"] in ("differs", "refuses"))
    return {
        reason: {
            "differs": kinds[reason, "differs"],
            "refuses": kinds[reason, "refuses"],
            "largest": max(one["difference"] for one in verdicts if one["reason"] == reason),
        }
        for reason in dict.fromkeys(reason for reason, _ in kinds)
    }
