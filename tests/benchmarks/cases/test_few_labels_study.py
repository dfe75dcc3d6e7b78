"""The study of few labels on a tiny cohort."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from monai_memvit.__main__ import main
from monai_memvit.networks.nets import MaskedAutoencoder

BUNDLE = Path(__file__).parents[3] / "bundles" / "histology_patch_classification"


@pytest.mark.slow
def test_a_tiny_study_runs_once_and_reports(tmp_path, capsys):
    main(["simulate", "patches", str(tmp_path / "cohort.npz"), "--patients", "12", "--patches-per-patient", "12"])
    main(["prepare", "patches", str(tmp_path / "cohort.npz"), str(tmp_path / "data")])
    encoder = MaskedAutoencoder.from_preset(
        "micro", in_channels=3, img_size=24, patch_size=4, pool="cls", pos_embed="learnable"
    )
    (tmp_path / "encoders").mkdir()
    torch.save(encoder.state_dict(), tmp_path / "encoders" / "0.pt")
    out = tmp_path / "few.jsonl"
    words = [str(tmp_path / "data"), "--bundle", str(BUNDLE), "--encoders", str(tmp_path / "encoders")]
    words += ["--out", str(out), "--seeds", "0", "--sizes", "12", "--threads", "1", "--override", "max_epochs=1"]
    arms = ["fine-tuned", "linear probe", "memory, ridge"]
    for _ in range(2):
        assert main(["benchmark", "few-labels", *words, "--arms", *arms]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["arm"] for row in rows] == arms and all(0 <= row["auc"] <= 1 for row in rows)
    assert "memory, ridge (1)" in capsys.readouterr().out
    out.unlink()
    assert main(["benchmark", "few-labels", *words, "--override", "max_epochs=2", "--arms", *arms]) == 2
    assert "0.npz was made with another overrides: give another --out" in capsys.readouterr().err


def test_encoders_must_be_there(tmp_path, capsys):
    (tmp_path / "datalist.json").write_text("{}")
    words = [str(tmp_path), "--bundle", str(BUNDLE), "--encoders", str(tmp_path), "--out", str(tmp_path / "x.jsonl")]
    assert main(["benchmark", "few-labels", *words]) == 2
    assert f"{tmp_path} has no *.pt" in capsys.readouterr().err
