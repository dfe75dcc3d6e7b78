"""The commands for chest films: every option arrives, exit codes tell what became of the films."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_memvit.__main__ import main
from monai_memvit.data import Datalist, radiographs, simulate

PREPARE = ["prepare", "radiographs"]
SMALL = ["--workers", "0", "--size", "16"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Twelve films of twelve patients."""
    folder = tmp_path / "films"
    folder.mkdir()
    rows = ["file,patient,nodule"]
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{number},{number % 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_set_is_prepared(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PREPARE, str(source), str(tmp_path / "out"), *SMALL, "--name", "demo"]) == 0
    captured = capsys.readouterr()
    assert "films: 12 prepared, 0 left out" in captured.out and "left out" not in captured.err
    datalist = Datalist.load(tmp_path / "out" / "datalist.json")
    assert (datalist.name, datalist.class_names, datalist.multi_label) == ("demo", ["nodule"], True)


def test_a_bad_film_gives_exit_code_3_and_is_named(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "3.png").write_bytes(b"no picture")
    assert main([*PREPARE, str(source), str(tmp_path / "out"), *SMALL]) == 3
    captured = capsys.readouterr()
    assert f"left out: labels.csv, line 5: {source / '3.png'}: " in captured.err
    assert "films: 11 prepared, 1 left out" in captured.out
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["problems"]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--views", "pa"], "view 'pa' is unknown"),
        (["--findings", "mass"], "finding 'mass' is unknown"),
        (["--uncertain", "maybe"], "policy for uncertain labels is 'maybe'"),
        (["--labels", "absent.csv"], "absent.csv cannot be read"),
        (["--max-gb", "0.00001"], "the limit is 0.01 MB"),
        (["--test-fraction", "2"], "test fraction is 2.0"),
        (["--workers", "-1"], "workers is -1"),
    ],
)
def test_what_cannot_be_gives_exit_code_2_and_keeps_the_older_datalist(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "datalist.json").write_text("older")
    assert main([*PREPARE, str(source), str(tmp_path / "out"), *SMALL, *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and message in captured.err and captured.out == ""
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["datalist.json"]
    assert (tmp_path / "out" / "datalist.json").read_text() == "older"


@pytest.mark.parametrize(
    "words", [["--max-gb", "inf"], ["--bits", "12"], ["--uncertain-of", "nodule"], ["--size", "x"]]
)
def test_wrong_words_are_refused_by_the_parser(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*PREPARE, "SOURCE", "OUT", *words])
    assert caught.value.code == 2 and f"argument {words[0]}" in capsys.readouterr().err


class _Report:
    """What a preparation that left a film out returns."""

    def left_out(self) -> list[str]:
        return ["left out: a film"]

    def __str__(self) -> str:
        return "the report"


def test_every_option_of_the_preparation_arrives(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}

    def take(source: str, out: str, options: Any, workers: int, progress: bool) -> _Report:
        given.update(source=source, out=out, options=options, workers=workers)
        return _Report()

    monkeypatch.setattr(radiographs, "prepare_radiographs", take, raising=False)
    words = "--name n --workers 3 --size 64 --bits 16 --no-crop-border --window lut --modalities CR,DX --views PA,AP"
    words += " --max-gb 1.5 --labels a.csv,b.csv --findings x,y --uncertain ones --uncertain-of x=zeros"
    words += " --uncertain-of y=ignore --missing zeros --vote any --file-column f --patient-column p --split-column s"
    words += (
        " --view-column v --label-columns x,y --patient-pattern (p.) --val-fraction 0.4 --test-fraction 0.3 --seed 5"
    )
    assert main([*PREPARE, "SOURCE", "OUT", *words.split()]) == 3
    options = radiographs.RadiographOptions(
        radiographs.FilmPipeline(64, False, 16, "lut", ("CR", "DX")),
        radiographs.LabelOptions(["a.csv", "b.csv"], radiographs.CsvColumns("f", "p", "s", "v", ["x", "y"]), "any"),
        ["x", "y"],
        radiographs.LabelPolicy("ones", "zeros", {"x": "zeros", "y": "ignore"}),
        ["PA", "AP"],
        *("(p.)", 0.4, 0.3, 5, "n", 1_500_000_000),
    )
    assert given == {"source": "SOURCE", "out": "OUT", "options": options, "workers": 3}
    captured = capsys.readouterr()
    assert captured.err == "left out: a film\n" and captured.out == "the report\n"
    assert main([*PREPARE, "SOURCE", "OUT"]) == 3
    assert given["options"] == radiographs.RadiographOptions(
        views=[], labels=radiographs.LabelOptions([], radiographs.CsvColumns(labels=[]))
    )
    assert main([*PREPARE, "SOURCE", "OUT", "--window", "1"]) == 3 and given["options"].pipeline.window == 1


def test_every_option_of_the_simulation_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def take(out: str, patients: int, seed: int, kind: str, options: Any, progress: bool) -> str:
        given.update(out=out, patients=patients, seed=seed, kind=kind, options=options)
        return "labels.csv"

    monkeypatch.setattr(simulate, "simulate_radiographs", take, raising=False)
    words = "--patients 3 --seed 4 --format png --size 99 --films 5 --prevalence 0.1 --uncertain 0.2 --blank 0.4"
    assert main(["simulate", "radiographs", "OUT", *words.split(), "--shortcut", "0.6"]) == 0
    options = simulate.RadiographSimulation(size=99, films=5, prevalence=0.1, uncertain=0.2, blank=0.4, shortcut=0.6)
    assert given == {"out": "OUT", "patients": 3, "seed": 4, "kind": "png", "options": options}


def test_combinations_take_a_seed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = []

    def take(out: str, seed: int, progress: bool) -> Path:
        seeds.append(seed)
        (tmp_path / "one.dcm").touch()
        return tmp_path

    monkeypatch.setattr(simulate, "simulate_film_combinations", take, raising=False)
    command = ["simulate", "radiographs", "OUT", "--combinations", "--seed", "7"]
    assert main(command) == 0 and seeds == [7]
    assert "1 films, one per combination" in capsys.readouterr().out
    assert main([*command, "--patients", "3", "--format", "png"]) == 2 and seeds == [7]
    assert "--patients, --format would do nothing" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["simulate", "prepare"])
def test_help_loads_nothing_heavy(command: str) -> None:
    script = (
        "import sys\nfrom monai_memvit.__main__ import main\n"
        "try:\n    main([sys.argv[1], 'radiographs', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script, command], capture_output=True, text=True, check=True)
    shown, _, modules = done.stdout.strip().rpartition("\n")
    assert "usage:" in shown and not {"monai", "torch", "pydicom", "numpy", "PIL"} & set(modules.split())
