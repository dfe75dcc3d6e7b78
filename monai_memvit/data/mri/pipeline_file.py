"""What was done to the cases of a datalist, beside it, so that the same can be done to a new patient."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..atomic import atomic_write_json
from .slices.pipeline import MriPipeline
from .sources.find_options import FindOptions

__all__ = ["PIPELINE_FILE", "load_pipeline", "pipeline_digest", "save_pipeline"]

PIPELINE_FILE = "pipeline.json"
_FORMAT = "monai_memvit-mri-pipeline/1"


def save_pipeline(pipeline: MriPipeline, find: FindOptions, folder: Path) -> None:
    """Write ``pipeline.json``.

    Args:
        pipeline: what is done to every case.
        find: how its sequences are recognised.
        folder: of the datalist.
    """
    atomic_write_json(folder / PIPELINE_FILE, _content(pipeline, find))


def pipeline_digest(pipeline: MriPipeline, find: FindOptions) -> str:
    """Hexadecimal digits of what the file says, whichever version reads it: they tie a datalist to its pipeline.

    Args:
        pipeline: what is done to every case.
        find: how its sequences are recognised.
    """
    text = json.dumps(_content(pipeline, find), sort_keys=True)
    return blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def _content(pipeline: MriPipeline, find: FindOptions) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "pipeline": pipeline.as_dict(),
        "find": asdict(find) | {"patterns": dict(find.patterns)},
    }


def load_pipeline(folder: str | os.PathLike[str]) -> tuple[MriPipeline, FindOptions]:
    """Read ``pipeline.json`` of a datalist's folder.

    Args:
        folder: of the datalist.

    Raises:
        ValueError: where it is absent, as it is for an archive of finished slices, or malformed.
    """
    path = Path(folder) / PIPELINE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"{path} does not exist: if the data were prepared from studies, copy it from there. Data from an archive "
            "of finished slices have no pipeline: how those were made is not known, so new studies cannot be prepared "
            "alike; prepare the studies behind the archive with `python -m monai_memvit prepare mri`, and train on them"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}): prepare the data again") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{path} is no pipeline of this version ({_FORMAT}): prepare the data again")
    try:
        return MriPipeline.from_dict(content["pipeline"]), _find_options(content["find"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}: prepare the data again") from None


def _find_options(content: dict[str, Any]) -> FindOptions:
    names = {field.name for field in fields(FindOptions)}
    if content.keys() - names:
        raise ValueError(f"unknown options {', '.join(sorted(content.keys() - names))}")
    return FindOptions(**{**content, "sequences": tuple(content["sequences"]), "required": tuple(content["required"])})
