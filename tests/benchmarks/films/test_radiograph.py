"""The benchmark of the radiographs: its options, its report, and its exit code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from monai_memvit.benchmarks.films import radiograph
from monai_memvit.benchmarks.films.radiograph import add_arguments, report, run_benchmark
from monai_memvit.data.simulate.radiographs import RadiographSimulation, simulate_radiographs

pytest.importorskip("pydicom")


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def found(unequal: list[str] | None = None, unexplained: list[str] | None = None) -> dict[str, Any]:
    return {
        "files": 3,
        "standard": {
            "equal": 3 - len(unequal or []),
            "largest": 3e-8,
            "unequal": unequal or [],
            "by_syntax": {"rle": {"files": 3, "largest": 3e-8}},
        },
        "highdicom": {
            "equal": 1,
            "differs": 1,
            "refuses": 1,
            "not asked": 0,
            "largest": 2e-8,
            "reasons": {"big endian": {"differs": 0, "refuses": 1, "largest": 0.0}},
            "unexplained": unexplained or [],
        },
    }


def test_the_report_shows_every_part() -> None:
    film = {"film": "a.dcm", "standard": 3e-8, "highdicom": {"outcome": "equal", "difference": 2e-8, "reason": ""}}
    odd = {"film": "b.dcm", "standard": 0.0, "highdicom": {"outcome": "differs", "difference": 0.01, "reason": "x"}}
    row = {"median_ms": 10.04, "lowest_ms": 9.0, "highest_ms": 12.0, "ours_over": 0.251}
    timing = {part: {"theirs": row} for part in ("display", "load", "cached", "syntaxes")}
    text = report(
        {
            "machine": {"cores": "2"},
            "versions": {"pydicom": "3"},
            "combinations": found(),
            "films": {**found(), "films": [film, odd], "refused": {"c.dcm": "it is colour"}},
            "timing": {"shape": [3056, 2544], "rounds": 9, "clock": "processor", **timing},
        }
    )
    assert text.startswith("cores 2, pydicom 3.")
    assert "3 files. As the standard says, within 1e-6: 3, the largest difference 3.0e-08. Otherwise: none." in text
    assert "| big endian | 0 | 1 | 0.0e+00 | refuses the transfer syntax, which is retired |" in text
    assert "| rle | 3 | 3.0e-08 |" in text
    assert "| a.dcm | 3.0e-08 | equal, 2.0e-08 |" in text
    assert "| b.dcm | 0.0e+00 | differs, 1.0e-02: x |" in text
    assert "| c.dcm | refused | it is colour |" in text
    assert text.count("| theirs | 10.0 | 9.0 | 12.0 | 0.25 |") == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--no-combinations"], "there is nothing to do"),
        (["--size", "16", "80"], "--size must be at least 32, got 16"),
        (["--seed", "-1"], "--seed must be at least 0"),
        (["--timing", "--repeats", "0"], "--repeats must be at least 1"),
        (["--films", "/no/such/folder"], "--films /no/such/folder is no folder"),
    ],
)
def test_wrong_options_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_benchmark(parsed(*words))


def test_films_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = simulate_radiographs(tmp_path / "out", 4, options=RadiographSimulation(size=64, films=1))
    (out / "films" / "odd").write_bytes(b"no film")
    record = tmp_path / "figures.json"
    assert run_benchmark(parsed("--no-combinations", "--films", str(out), "--json", str(record))) == 0
    figures = json.loads(record.read_text())["films"]
    assert figures["files"] == figures["standard"]["equal"] == 4
    assert list(figures["refused"]) == ["films/odd"]
    assert "| films/odd | refused | it is no DICOM" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{"unequal": ["a.dcm"]}, {"unexplained": ["a.dcm"]}])
def test_what_is_unequal_without_a_reason_ends_with_an_error(
    wrong: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monai_memvit.benchmarks.films import radiograph_equality

    result = {**found(**wrong), "films": [], "refused": {}}
    monkeypatch.setattr(radiograph_equality, "compare_films", lambda folders: result)
    assert run_benchmark(parsed("--no-combinations", "--films", str(tmp_path))) == 1


def test_the_command_is_registered() -> None:
    from monai_memvit.benchmarks import register

    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    assert parser.parse_args(["radiograph", "--timing"]).run is radiograph.run_benchmark
