"""The commands for a case memory: every option arrives, and exit codes tell what became of the cases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monai_memvit import case_memories
from monai_memvit.__main__ import main
from monai_memvit.case_memories import BundleChoice, MemoryReport
from monai_memvit.case_memories.judging import Judgement
from monai_memvit.case_memories.report import LeftOut


def report(*left_out: LeftOut) -> MemoryReport:
    figures = {"accuracy": 0.5, "balanced_accuracy": 0.25, "auc": float("nan")}
    better = figures | {"balanced_accuracy": 0.5}
    judged = Judgement("site, validation", 9, 3, figures, better, (0.125, 0.375))
    path = Path("models/case_memory.pt")
    return MemoryReport(path, "added", 5, 7, 5, ["a", "b"], [judged], {"penalty": 0.1}, {"adding": 0.5}, left_out)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command calls with, in place of the work."""
    calls: list[Any] = []

    def take(*arguments: Any) -> MemoryReport:
        calls.extend(arguments)
        return report()

    for name in ("add_cases", "remove_cases"):
        monkeypatch.setattr(case_memories, name, take, raising=False)
    return calls


WORDS = (
    '--bundle B --dataset-dir D --override image_size=224 --override preset="tiny" --section test --judge validation'
)
CHOICE = BundleChoice(Path("m/model.pt"), Path("B"), Path("D"), {"image_size": 224, "preset": "tiny"})


def test_every_option_of_add_arrives(given: list[Any]) -> None:
    words = [*WORDS.split(), "--new-classes", "x, y", "--without-training"]
    assert main(["memory", "add", "m/model.pt", "s/datalist.json", *words]) == 0
    assert given == [CHOICE, Path("s/datalist.json"), "test", "validation", ["x", "y"], False]


def test_every_option_of_remove_arrives(given: list[Any]) -> None:
    words = [*WORDS.split(), "--ids", "1,2", "--groups", "p3"]
    assert main(["memory", "remove", "m/model.pt", "s/datalist.json", *words]) == 0
    assert given == [CHOICE, Path("s/datalist.json"), "test", "validation", ["1", "2"], ["p3"]]


def test_defaults(given: list[Any]) -> None:
    assert main(["memory", "remove", "m/model.pt", "--groups", "3"]) == 0
    assert given == [BundleChoice(Path("m/model.pt")), None, "training", None, [], ["3"]]


def test_the_figures_are_printed_and_written(
    given: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "report.json"
    assert main(["memory", "add", "m", "d", "--report", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "25.0 -> 50.0" in printed and "+25.0 [+12.5, +37.5]" in printed and "better" in printed
    (judged,) = json.loads(path.read_text())["judged"]
    assert judged["before"] == {"accuracy": 0.5, "balanced_accuracy": 0.25, "auc": None}
    assert judged["verdict"] == "better"


def test_cases_that_are_left_out_give_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = LeftOut(5, "unreadable", "unreadable: patient_3/7: torn")
    monkeypatch.setattr(case_memories, "add_cases", lambda *_: report(case), raising=False)
    assert main(["memory", "add", "m", "d"]) == 3
    captured = capsys.readouterr()
    assert "patient_3/7: torn" in captured.err and "patient_3" not in captured.out


def test_an_error_gives_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "add", str(tmp_path / "model.pt"), "d"]) == 2
    assert "model.pt does not exist" in capsys.readouterr().err


def test_an_override_must_be_json(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("preset", "preset=tiny"):
        with pytest.raises(SystemExit):
            main(["memory", "add", "m", "d", "--override", word])
    assert "words stand in quotes" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom monai_memvit.__main__ import main\n"
        "try: main(['memory', 'add', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'monai', 'numpy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]" and "DATALIST" in run.stdout
