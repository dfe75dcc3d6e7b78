"""What was done to the films of a datalist, beside it, so that the same can be done to a new film."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path

from ..atomic import atomic_write_json
from .film_pipeline import FilmPipeline

__all__ = ["load_film_pipeline", "save_film_pipeline"]

PIPELINE_FILE = "pipeline.json"
_FORMAT = "monai_memvit-film-pipeline/1"


def save_film_pipeline(pipeline: FilmPipeline, folder: Path) -> None:
    """Write ``pipeline.json``.

    Args:
        pipeline: what is done to every film.
        folder: of the datalist.
    """
    atomic_write_json(folder / PIPELINE_FILE, {"format": _FORMAT, "pipeline": asdict(pipeline)})


def load_film_pipeline(folder: str | os.PathLike[str]) -> FilmPipeline:
    """Read ``pipeline.json`` of a datalist's folder.

    Args:
        folder: of the datalist.

    Raises:
        ValueError: where it is absent or malformed.
    """
    path = Path(folder) / PIPELINE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: copy it from where the films were prepared") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}): prepare the data again") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{path} is no pipeline of this version ({_FORMAT}): prepare the data again")
    given = content.get("pipeline")
    names = {field.name for field in fields(FilmPipeline)}
    if not isinstance(given, dict) or given.keys() != names:
        raise ValueError(f"{path} does not hold {', '.join(sorted(names))} of a pipeline: prepare the data again")
    try:
        return FilmPipeline(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}: prepare the data again") from None
