"""The cost of a memory of cases: its tables, and what it refuses."""

import pytest

from monai_memvit.__main__ import main

SMALL = ["--presets", "micro", "--stored", "40", "--added", "20", "--large", "90", "--width", "8", "--repeats", "1"]


def test_it_tells_what_adding_costs(capsys):
    assert main(["benchmark", "case-memory", *SMALL, "--threads", "1"]) == 0
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    adding = dict(zip((cell.strip("| ") for cell in lines[0]), (cell.strip("| ") for cell in lines[2])))
    assert (adding["network"], adding["stored"], adding["added"]) == ("micro, 24 px", "40", "20")
    assert float(adding["(pass + taking in) / pass"].split()[0]) >= 1
    large = {cell[0].strip("| "): cell[1].strip("| ") for cell in lines[4:]}
    assert large["cases × features; cases of a patient"] == "90 × 8; 20" and len(large) == 9


@pytest.mark.parametrize("option", ["--stored", "--added", "--large", "--width", "--group", "--repeats", "--threads"])
def test_what_is_not_positive_is_refused(option, capsys):
    assert main(["benchmark", "case-memory", *SMALL, option, "0"]) == 2
    assert f"{option}" in capsys.readouterr().err
