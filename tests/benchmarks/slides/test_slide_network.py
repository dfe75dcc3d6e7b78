"""The benchmark of the slide network, end to end on a few tokens."""

from __future__ import annotations

import json

import pytest

from monai_memvit.__main__ import main
from monai_memvit.benchmarks.slides.slide_network import report

RUN = {"preset": "tiny", "pool": "mean", "source": "tiles", "store": "ram", "chunk_size": 7, "store_bytes": 8e6}


def test_the_report_compares_the_time_per_token_with_the_first_run():
    runs = [
        RUN | {"tokens": 1000, "seconds": 0.05, "microseconds_per_token": 50.0, "beyond_tokens_bytes": 123e6},
        RUN | {"tokens": 4000, "seconds": 0.22, "microseconds_per_token": 55.0, "beyond_tokens_bytes": 124e6},
    ]
    lines = report({"machine": {"cores": "2"}, "runs": runs}).splitlines()
    assert "chunks of 7 tokens" in lines[0] and "cores 2" in lines[0]
    assert lines[-1] == "| 4000 | 0.2 | 55.0 | 1.10 | 8 | 124 |"


@pytest.mark.slow
@pytest.mark.parametrize(("store", "source", "pool"), [("ram", "tiles", "cls"), ("mapped", "features", "gated")])
def test_measures_and_writes_figures(tmp_path, capfd, store, source, pool):
    options = ["--tokens", "4352", "--store", store, "--folder", str(tmp_path), "--source", source]
    options += ["--preset", "micro", "--pool", pool, "--chunk", "500", "--threads", "1", "--contributions"]
    assert main(["benchmark", "slide-network", *options, "--json", str(tmp_path / "figures.json")]) == 0
    results = json.loads((tmp_path / "figures.json").read_text())
    assert [run["tokens"] for run in results["runs"]] == [4352]
    assert [run["store_bytes"] for run in results["runs"]] == [4352 * 96 * 4]
    assert all(run["seconds"] > 0 and run["store"] == store for run in results["runs"])
    assert report(results) in capfd.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--tokens", "100"], "multiples of 256"), (["--chunk", "0"], "--chunk must be at least 1")],
)
def test_numbers_that_do_not_fit_are_refused(capsys, options, message):
    assert main(["benchmark", "slide-network", *options]) != 0
    assert message in capsys.readouterr().err
