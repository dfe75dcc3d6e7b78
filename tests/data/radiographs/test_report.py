"""A report for a terminal is short, whatever was left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from monai_memvit.data.radiographs.label_files.film_labels import LeftOutFilm
from monai_memvit.data.radiographs.report import RadiographReport, TwinFilms
from monai_memvit.data.radiographs.report_page import report_page
from monai_memvit.data.radiographs.shortcuts import FindingShortcuts

SECTIONS = ("training", "validation", "test")
COUNTS = {"nodule": {"present": 3, "absent": 2, "unknown": 1}, "rare": {"present": 0, "absent": 6, "unknown": 0}}
REPORT = RadiographReport(
    datalist=Path("out/datalist.json"),
    name="set",
    label_kind="CSV",
    label_files=["labels.csv"],
    class_names=["nodule", "rare"],
    fingerprint="ab",
    films=dict.fromkeys(SECTIONS, 6),
    patients=dict.fromkeys(SECTIONS, 4),
    counts=dict.fromkeys(SECTIONS, COUNTS),
    uncertain={"nodule": 1, "rare": 0},
    missing={"nodule": 2, "rare": 0},
    unlabelled=0,
    views=dict.fromkeys(SECTIONS, {"PA": 5, "": 1}),
    devices={"Maker | model": 18},
    sizes={"60x48": 18},
    twins=[TwinFilms("a", "b", True, 1.0, False, False, ("training", "test"), "a")],
    shortcuts={"nodule": FindingShortcuts({"view": 0.81, "device": None}, {"test": 0.66})},
    other_views={"LATERAL": 3},
    notes=["a note"],
    problems=[LeftOutFilm(f"film {n}", f"line {n}", "absent") for n in range(50)],
)


def test_a_terminal_sees_twenty_lines_and_the_rest_in_the_file() -> None:
    lines = REPORT.left_out()
    assert len(lines) == 21 and lines[-1] == "… and 30 more: out/report.md"
    assert len(replace(REPORT, problems=REPORT.problems[:20]).left_out()) == 20
    assert "50 left out" in str(REPORT) and "3 / 2 / 1" in str(REPORT)


def test_warnings_tell_what_to_look_at() -> None:
    text = "\n".join(REPORT.warnings())
    for words in (
        "a note",
        "1 pairs of films of two patients",
        "1 pairs of equal films have other labels",
        "test shows no rare",
        "nodule can be guessed from view with an AUC of 0.81",
    ):
        assert words in text


def test_the_page_holds_everything() -> None:
    page = report_page(REPORT)
    for words in (
        "| nodule | 0.81 | – | 0.66 |",
        "| a | b | equal | **two** | **others** | training, test | a |",
        "| unknown | 1 | 1 | 1 |",
        "Maker | model: 18",
        "3 films of view LATERAL: not asked for",
        "**film 49** (line 49): absent",
        "| nodule | 1 | 2 |",
    ):
        assert words in page
