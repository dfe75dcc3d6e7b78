"""Series of the usual scanners, and what each must be taken for."""

from __future__ import annotations

from typing import Any

import pytest

from monai_memvit.data.mri.sources.recognise import SeriesAttributes, recognise_series


def series(description: str = "", tr: float | None = None, te: float | None = None, **others: Any) -> SeriesAttributes:
    """A spin echo, unless said otherwise."""
    values = {"scanning": ("SE",), "image_type": ("ORIGINAL", "PRIMARY", "M")} | others
    return SeriesAttributes(description=description, repetition_time=tr, echo_time=te, **values)


def recognised(attributes: SeriesAttributes) -> str:
    """The name, or nothing."""
    match, why_not = recognise_series(attributes)
    assert (match is None) == bool(why_not)
    return match.name if match else ""


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("AX T1", "t1"),
        ("t1_mprage_sag_p2_iso", "t1"),
        ("Sag 3D BRAVO", "t1"),
        ("Ax T1 FLAIR", "t1"),
        ("T1W/SE w/o", "t1"),
        ("t1_tse_tra native", "t1"),
        ("AX T1 POST", "t1gd"),
        ("T1+C", "t1gd"),
        ("T1 C+ cor", "t1gd"),
        ("t1_mprage_km", "t1gd"),
        ("3D T1W_TFE GD", "t1gd"),
        ("Ax T1 GAD FS", "t1gd"),
        ("T1 posterior fossa", "t1"),
        ("T1 TSE TRA POSTOP", "t1"),
        ("T1 POST-OP", "t1"),
        ("T1 postsurgical", "t1"),
        ("T1 post RT", "t1"),
        ("T1 PREOP GD", "t1gd"),
        ("Stealth T1 pre-op Gd", "t1gd"),
        ("T1 MPRAGE PRE-OP +C", "t1gd"),
        ("T1 w/o FS GD", "t1gd"),
        ("T1 vor KM", "t1"),
        ("T1 prä KM", "t1"),
        ("T1 prae", "t1"),
        ("T1 VISTA KM prae", "t1"),
        ("T1 nach KM", "t1gd"),
        ("T1 without IV contrast", "t1"),
        ("T1 pre-contrast gd", "t1"),
        ("T1 W/WO GD", ""),
        ("T1 with and without contrast", ""),
        ("T1 pre +C", ""),
        ("T1 pre/post Gd", ""),
        ("t2_tse_tra", "t2"),
        ("AX T2 FSE", "t2"),
        ("T2W_TRA_BH SENSE", "t2"),
        ("AX T2 FLAIR", "flair"),
        ("t2_tirm_tra_dark-fluid", "flair"),
        ("3D Brain VIEW FLAIR", "flair"),
        ("AX FLAIR POST GAD", "flair"),
        ("APTw", "apt"),
        ("3D_APT_CEST", "apt"),
        ("Amide proton transfer", "apt"),
        ("", ""),
        ("head", ""),
        ("t1 t2 both", ""),
    ],
)
def test_descriptions_alone(description, expected):
    assert recognised(series(description)) == expected


@pytest.mark.parametrize(
    "description",
    [
        "3-plane loc",
        "Survey",
        "AAScout",
        "ep2d_diff_tra",
        "DWI b1000",
        "ADC",
        "perf T2*",
        "Ax SWI",
        "TOF MRA",
        "T2* GRE",
    ]
    + [
        "T2 star",
        "DCE T1 dyn",
        "T1 SUB",
        "t1 mip",
        "PD TSE",
        "STIR cor",
        "field_map",
        "resting BOLD",
        "T2 map",
        "svs_se",
    ],
)
def test_other_images_are_passed_over(description):
    match, why_not = recognise_series(series(description, 500, 10))
    assert match is None and "description says" in why_not


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (series("", 500, 12), "t1"),
        (series("", 4500, 100), "t2"),
        (series("", 3200, 408, acquisition="3D"), "t2"),
        (series("", 9000, 120, inversion_time=2500), "flair"),
        (series("", 2300, 3, inversion_time=900, scanning=("GR", "IR"), variant=("SK", "MP")), "t1"),
        (series("", 2000, 20, inversion_time=800), "t1"),
        (series("", 500, 12, agent="Gadovist"), "t1gd"),
        (series("", 500, 12, agent="NONE"), "t1"),
        (series("", 4500, 100, agent="Gadovist"), "t2"),
        (series("", 22, 3, scanning=("GR",)), ""),  # time of flight, steady state and FLASH look alike
        (series("", 600, 20, scanning=("GR",)), ""),  # T2*
        (series("", 3000, 20), ""),  # proton density
        (series("", 5000, 80, scanning=("SE", "EP")), ""),  # diffusion
        (series("", 4000, 70, inversion_time=160), ""),  # STIR
        (series("", 1500, 50), ""),
    ],
)
def test_times_and_agent_alone(attributes, expected):
    assert recognised(attributes) == expected


def test_description_and_times_that_disagree_give_nothing():
    match, why_not = recognise_series(series("AX T1", 4500, 100))
    assert match is None
    assert "description says T1 ('t1'); TE 100 ms, TR 4500 ms: T2-weighted" in why_not


def test_flair_without_an_inversion_time_is_still_flair():
    match, _ = recognise_series(series("AX FLAIR", 9000, 120))
    assert (match.name, match.score) == ("flair", 0.75)


@pytest.mark.parametrize(
    ("description", "agent", "name", "words"),
    [
        ("T1 pre", "Gadovist", "t1", "before contrast, although the agent 'Gadovist'"),
        ("T1 post", "", "t1gd", "description says contrast"),
        ("T1", "Dotarem", "t1gd", "contrast agent 'Dotarem'"),
        ("T1", "", "t1", "no contrast agent"),
        ("T1 MPRAGE PRE-OP +C", "Gadovist", "t1gd", "description and the agent 'Gadovist' say contrast"),
        ("T1 BLADE Gd", "NO CONTRAST", "t1gd", "although the agent is recorded as 'NO CONTRAST'"),
    ],
)
def test_the_reason_of_t1_tells_of_the_agent(description, agent, name, words):
    match, _ = recognise_series(series(description, 500, 10, agent=agent))
    assert match.name == name and words in match.reason


def test_both_speaking_for_it_score_one_and_one_alone_scores_half():
    assert recognise_series(series("AX T2", 4500, 100))[0].score == 1.0
    assert recognise_series(series("AX T2"))[0].score == recognise_series(series("", 4500, 100))[0].score == 0.5


@pytest.mark.parametrize("kind", ["LOCALIZER", "MIP", "ADC", "P", "R"])
def test_image_types_that_are_no_original_magnitude(kind):
    match, why_not = recognise_series(series("T1", 500, 10, image_type=("ORIGINAL", "PRIMARY", kind)))
    assert match is None and "ImageType says" in why_not


def test_derived_images_are_passed_over_except_apt_maps():
    derived = ("DERIVED", "SECONDARY")
    assert recognised(series("T1", 500, 10, image_type=derived)) == ""
    assert recognised(series("APTw", 500, 10, image_type=derived)) == "apt"


def test_another_body_part_is_told():
    assert "body part ABDOMEN" in recognise_series(series("T2", body_part="ABDOMEN"))[0].reason
    assert "body part" not in recognise_series(series("T2", body_part="HEAD"))[0].reason


def test_the_protocol_speaks_where_the_description_is_silent():
    match, _ = recognise_series(series("series 3", protocol="t2_tse_tra"))
    assert match.name == "t2"


@pytest.mark.parametrize(
    "agent", ["NO CONTRAST", "None given", "none", "N/A", "0", "0 ml", "without", "kein KM", "-", ""]
)
def test_words_for_no_agent(agent):
    assert recognised(series("", 500, 12, agent=agent)) == "t1"


@pytest.mark.parametrize("agent", ["Gadovist", "0.1 mmol/kg Dotarem", "Novarem", "YES", "Multihance 10 ml"])
def test_words_for_an_agent(agent):
    assert recognised(series("", 500, 12, agent=agent)) == "t1gd"


@pytest.mark.parametrize("agent", ["Gadovist", ""])
def test_a_description_that_says_both_decides_nothing(agent):
    match, why_not = recognise_series(series("T1 pre +C", 500, 12, agent=agent))
    assert match is None and "both before and after contrast" in why_not and "pattern" in why_not
