"""The command line: exit codes, messages, and answering help without loading what help does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_memvit import __version__
from monai_memvit.__main__ import main
from monai_memvit.data import Datalist

HEAVY = {"monai", "torch", "sklearn", "scipy", "PIL", "numpy"}


def test_simulate_then_prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    npz, out = str(tmp_path / "a.npz"), str(tmp_path / "out")
    assert main(["simulate", "patches", npz, "--patients", "5", "--patches-per-patient", "8", "--seed", "3"]) == 0
    assert "40 simulated patches of 5 patients" in capsys.readouterr().out
    assert main(["prepare", "patches", npz, out, "--name", "demo", "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "epithelial" in printed and f"datalist: {tmp_path / 'out' / 'datalist.json'}" in printed
    assert json.loads((tmp_path / "out" / "datalist.json").read_text())["name"] == "demo"


def test_every_option_arrives(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "a.npz",
        pixels=rng.integers(0, 256, (80, 4, 4, 3), dtype=np.uint8),
        kind=np.tile([0, 1, -1, 1], 20),
        who=np.repeat(np.arange(20), 4),
        part=np.repeat(["train", "val"], 40),
        number=np.arange(80),
    )
    names = ["--image", "pixels", "--label", "kind", "--group", "who", "--split", "part", "--key", "number"]
    options = [*names, "--class-names", "a, b", "--val-fraction", "0.3", "--seed", "1"]
    assert main(["prepare", "patches", str(tmp_path / "a.npz"), str(tmp_path / "out"), *options]) == 0
    content = json.loads((tmp_path / "out" / "datalist.json").read_text())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["class_names"] == ["a", "b"]
    assert report["groups"] == {"training": 7, "validation": 3, "test": 10}
    assert report["unknown_labels"] == 20
    assert content["test"][0]["sample_key"] == "10/40"


def test_a_broken_image_gives_exit_code_3_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        for i in range(12):
            Image.new("RGB", (4, 4), (i, 0, 0)).save(tmp_path / "tree" / name / f"p{i}.png")
    (tmp_path / "tree" / "b" / "p3.png").write_bytes(b"")
    command = ["prepare", "patches", str(tmp_path / "tree"), str(tmp_path / "out"), "--group-pattern", r"(p\d+)"]
    assert main([*command, "--test-fraction", "0.3"]) == 3
    captured = capsys.readouterr()
    assert f"broken: {tmp_path / 'tree' / 'b' / 'p3.png'}: UnidentifiedImageError" in captured.err
    assert "1 broken" in captured.out
    assert (tmp_path / "out" / "datalist.json").exists()


def test_every_option_of_mri_arrives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from monai_memvit.data import mri

    given = {}

    def take(source: str, out: str, options: mri.MriOptions, workers: int, progress: bool) -> mri.MriReport:
        given.update(source=source, out=out, options=options, workers=workers)
        problem = mri.StudyProblem("p1", "SOURCE/p1", "torn")
        counts = {"training": {"a": 1, "b": 2}}
        return mri.MriReport(
            tmp_path / "datalist.json", "n", ["a", "b"], [], "", counts, {"training": 1}, {}, [], [problem]
        )

    monkeypatch.setattr(mri, "prepare_mri", take, raising=False)
    words = "--sequences t1,pd --required t1,pd --map pd=proton --patient-pattern (p.) --reference pd --register affine"
    words += " --same-grid register --on-failure flag --bias-field --size 8 --spacing 2 --min-brain-share 0.3"
    words += " --empty-tumour-mask normal --labels l.csv --class-names a,b --min-area 7 --val-fraction 0.4"
    words += " --brain-mask tools.brains:find --test-fraction 0.3 --seed 5 --name n --workers 3"
    assert main(["prepare", "mri", "SOURCE", "OUT", *words.split()]) == 3
    pipeline = mri.MriPipeline(
        sequences=("t1", "pd"),
        reference="pd",
        kind="affine",
        on_failure="flag",
        same_grid="register",
        brain_mask="tools.brains:find",
        bias_field=True,
        size=8,
        spacing_mm=2.0,
        min_brain_share=0.3,
        empty_tumour_mask="normal",
        seed=5,
    )
    find = mri.FindOptions(("t1", "pd"), ("t1", "pd"), {"pd": "proton"}, "(p.)")
    options = mri.MriOptions(pipeline, find, "l.csv", ["a", "b"], 7.0, 0.4, 0.3, 5, "n")
    assert given == {"source": "SOURCE", "out": "OUT", "options": options, "workers": 3}
    captured = capsys.readouterr()
    assert "left out: SOURCE/p1: torn" in captured.err and "1 problems" in captured.out


@pytest.mark.parametrize(
    "command, message",
    [
        (["prepare", "patches", "absent", "out"], "error: absent does not exist"),
        (["prepare", "mri", "absent", "out"], "error: absent does not exist"),
        (["simulate", "patches", "a.npz", "--patients", "1"], "error: patients is 1"),
    ],
)
def test_an_error_gives_exit_code_2_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(message) and captured.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["cook"], ["prepare"], ["simulate", "mri"], ["prepare", "patches", "a"]])
def test_wrong_words_give_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["prepare", "patches", "--help"], ["prepare", "mri", "--help"], ["simulate", "--help"]],
)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    script = (
        "import sys\nfrom monai_memvit.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    shown, _, modules = done.stdout.strip().rpartition("\n")
    assert shown == f"monai_memvit {__version__}" if words == ["--version"] else "usage:" in shown
    assert not HEAVY & set(modules.split())


def test_data_loads_neither_monai_nor_torch() -> None:
    script = (
        "import sys, monai_memvit.data, monai_memvit.data.patches, monai_memvit.data.simulate\n"
        "print(*{'monai', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_python_dash_m_passes_the_exit_code_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai_memvit", "prepare", "patches", str(tmp_path / "absent"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def _archive(path: Path) -> str:
    random = np.random.default_rng(0)
    labels = np.tile([0, 1], 10)
    image = random.integers(50, 99, (20, 16, 16, 2), dtype=np.uint8)
    image[:, :2] = image[:, -2:] = image[:, :, :2] = image[:, :, -2:] = 0
    names = {"class_names": np.array(["tumour", "normal"]), "patient": np.repeat(np.arange(10), 2)}
    np.savez(path, image=image, label=labels, **names)
    return str(path)


def test_an_archive_of_slices_keeps_its_own_class_names(tmp_path: Path) -> None:
    archive, out = _archive(tmp_path / "slices.npz"), str(tmp_path / "out")
    assert main(["prepare", "mri", archive, out, "--sequences", "t1,flair"]) == 0
    assert Datalist.load(tmp_path / "out" / "datalist.json").class_names == ["tumour", "normal"]


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "name its channels in their order"),
        (["--sequences", "t1,flair", "--size", "7", "--bias-field"], "--bias-field, --size would do nothing"),
        (["--sequences", "t1,flair", "--labels", "slices.csv"], "--labels would do nothing"),
    ],
)
def test_options_that_an_archive_of_slices_does_not_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    archive = _archive(tmp_path / "slices.npz")
    assert main(["prepare", "mri", archive, str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()
