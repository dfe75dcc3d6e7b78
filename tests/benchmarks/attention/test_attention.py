"""The benchmark of attention, end to end on a few tokens; its counts of bytes against known allocations."""

from __future__ import annotations

import json

import pytest
import torch

from monai_memvit.__main__ import main
from monai_memvit.benchmarks.attention.attention import report
from monai_memvit.benchmarks.tools.peak_memory import peak_bytes, saved_bytes

CPU = torch.device("cpu")


def test_peak_bytes_counts_what_is_held_at_once():
    x = torch.ones(1000, 250)  # 1 MB

    def work() -> None:
        doubled = x * 2
        tripled = x * 3
        del doubled, tripled
        x.mul(4)

    assert peak_bytes(work, CPU) == pytest.approx(2e6, rel=0.01)


def test_saved_bytes_counts_every_storage_once_and_no_parameter():
    layer, x = torch.nn.Linear(100, 50), torch.ones(1000, 100, requires_grad=True)
    assert saved_bytes(lambda: layer(x), list(layer.parameters())) == x.nbytes
    assert saved_bytes(lambda: layer(x).exp(), list(layer.parameters())) == x.nbytes + 1000 * 50 * 4
    assert saved_bytes(lambda: layer(x) + layer(x), list(layer.parameters())) == x.nbytes


@pytest.mark.slow
def test_measures_all_parts_and_writes_figures_and_picture(tmp_path, capfd):
    out = {name: str(tmp_path / name) for name in ("figures.json", "costs.png")}
    options = ["--widths", "64", "--tokens", "16", "64", "--softmax-up-to", "16", "--image", "32", "--stream", "64"]
    options += ["--chunk", "16", "--repeats", "1", "--json", out["figures.json"], "--picture", out["costs.png"]]
    assert main(["benchmark", "attention", *options]) == 0
    results = json.loads((tmp_path / "figures.json").read_text())
    arms = {(row["tokens"], row["arm"]) for row in results["sublayer"]}
    assert {(16, "softmax"), (64, "sequence norm"), (64, "direct form")} <= arms and (64, "softmax") not in arms
    assert {row["arm"] for row in results["network"]} >= {"softmax", "sequence norm, streamed"}
    assert results["streaming"][0]["tokens"] == 64 and results["streaming"][0]["beyond_tokens_bytes"] >= 0
    assert report(results) in capfd.readouterr().out
    assert (tmp_path / "costs.png").read_bytes().startswith(b"\x89PNG")


def test_widths_without_heads_of_64_are_refused(capsys):
    assert main(["benchmark", "attention", "--widths", "100"]) != 0
    assert "multiples of 64" in capsys.readouterr().err
