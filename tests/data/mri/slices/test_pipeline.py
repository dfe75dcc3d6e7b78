"""Parameters of a preparation: checked, stored, told apart."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from monai_memvit.data.mri import FindOptions, MriPipeline, load_pipeline
from monai_memvit.data.mri.pipeline_file import save_pipeline
from monai_memvit.data.mri.slices import pipeline as module
from monai_memvit.transforms.mri.registration_options import RegistrationOptions

OTHERS = {
    "sequences": ("t1gd", "t1"),
    "reference": "t1",
    "kind": "affine",
    "on_failure": "flag",
    "same_grid": "keep",
    "bias_field": True,
    "size": 128,
    "spacing_mm": 0.5,
    "min_brain_share": 0.2,
    "empty_tumour_mask": "normal",
    "seed": 1,
    "brain_mask": "os.path:basename",
}


def test_every_parameter_and_the_version_count(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {MriPipeline().digest(), *(replace(MriPipeline(), **{k: v}).digest() for k, v in OTHERS.items())}
    assert len(digests) == 1 + len(OTHERS)
    assert {field for field in MriPipeline().as_dict()} == set(OTHERS)
    before = MriPipeline().digest()
    monkeypatch.setattr(module, "__version__", "0.0.1")
    assert MriPipeline().digest() != before


def test_the_defaults_of_the_registration_and_the_format_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before, unregistered = MriPipeline().digest(), MriPipeline(kind="none").digest()
    with monkeypatch.context() as patch:
        finer = partial(RegistrationOptions, samples=200_000)
        patch.setattr("monai_memvit.transforms.mri.registration_options.RegistrationOptions", finer)
        assert MriPipeline().digest() != before and MriPipeline(kind="none").digest() == unregistered
    assert MriPipeline().digest() == before
    monkeypatch.setattr(module, "_FORMAT", 0)
    assert MriPipeline().digest() != before


@pytest.mark.parametrize(
    "wrong",
    [
        {"sequences": ()},
        {"sequences": ("t1gd", "t1gd")},
        {"reference": "pd"},
        {"kind": "elastic"},
        {"on_failure": "pass"},
        {"same_grid": "maybe"},
        {"empty_tumour_mask": "skip"},
        {"size": 0},
        {"spacing_mm": 0.0},
        {"spacing_mm": float("nan")},
        {"min_brain_share": 1.0},
        {"seed": -1},
        {"brain_mask": "hd_bet"},
        {"brain_mask": "a.b:c:d"},
    ],
)
def test_a_wrong_value_is_named(wrong: dict[str, object]) -> None:
    ((_, value),) = wrong.items()
    with pytest.raises(
        ValueError, match="none" if value == () else str(value[0] if isinstance(value, tuple) else value)
    ):
        MriPipeline(**wrong)


def test_a_stored_pipeline_comes_back(tmp_path: Path) -> None:
    pipeline = replace(MriPipeline(), **OTHERS)
    find = FindOptions(("t1gd", "t1"), ("t1gd",), {"t1": "mprage"}, r"(p\d+)", 3)
    save_pipeline(pipeline, find, tmp_path)
    assert load_pipeline(tmp_path) == (pipeline, find)


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "does not exist: .*copy it from there.* archive of finished slices have no pipeline"),
        ("{", "not valid JSON"),
        ("[]", "no pipeline of this version"),
        ('{"format": "monai_memvit-mri-pipeline/1", "pipeline": {"size": 3}, "find": {}}', "missing or unknown"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "pipeline.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_pipeline(tmp_path)
    assert "pipeline.json" in str(caught.value)


def test_an_unknown_way_of_finding_is_named(tmp_path: Path) -> None:
    save_pipeline(MriPipeline(), FindOptions(), tmp_path)
    content = json.loads((tmp_path / "pipeline.json").read_text())
    content["find"]["guess"] = True
    (tmp_path / "pipeline.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="unknown options guess"):
        load_pipeline(tmp_path)
