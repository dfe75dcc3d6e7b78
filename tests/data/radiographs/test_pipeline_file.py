"""The pipeline beside a datalist reads back what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_memvit.data.radiographs import FilmPipeline, load_film_pipeline
from monai_memvit.data.radiographs.pipeline_file import save_film_pipeline


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    pipeline = FilmPipeline(size=96, bits=16)
    save_film_pipeline(pipeline, tmp_path)
    assert load_film_pipeline(tmp_path) == pipeline
    assert load_film_pipeline(tmp_path).digest() == pipeline.digest()


def change(content: dict[str, Any], **values: Any) -> dict[str, Any]:
    """A pipeline with another value."""
    return content | {"pipeline": content["pipeline"] | values}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c | {"format": "monai_memvit-mri-pipeline/1"}, "no pipeline of this version"),
        (lambda c: [], "no pipeline of this version"),
        (lambda c: c | {"pipeline": {}}, "does not hold .*size"),
        (lambda c: change(c, colour=3), "does not hold .*size"),
        (lambda c: change(c, size=-1), "prepare the data again"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, spoil: Any, message: str) -> None:
    save_film_pipeline(FilmPipeline(), tmp_path)
    path = tmp_path / "pipeline.json"
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=message) as caught:
        load_film_pipeline(tmp_path)
    assert str(path) in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pipeline\.json does not exist"):
        load_film_pipeline(tmp_path)
    (tmp_path / "pipeline.json").write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_film_pipeline(tmp_path)
