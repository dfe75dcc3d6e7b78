"""The configuration that builds a component, seen from within it."""

from __future__ import annotations

import json
from pathlib import Path

from monai.bundle import ConfigWorkflow

from monai_memvit.handlers.configuration import bundle_configuration


class Component:
    """Remembers the configuration that made it."""

    def __init__(self, omit: list[str]) -> None:
        self.configuration = bundle_configuration(omit)


def test_overlays_and_overrides_are_in_it(tmp_path: Path) -> None:
    component = {"_target_": f"{__name__}.Component"}
    base = {"epochs": 100, "rate": 0.1, "secret": "x", "found": component, "run": ["$@found"]}
    (tmp_path / "metadata.json").write_text(json.dumps({"version": "1.2"}))
    (tmp_path / "base.json").write_text(json.dumps(base))
    (tmp_path / "overlay.json").write_text(json.dumps({"rate": "$@epochs / 50", "found::omit": ["secret"]}))
    files = [str(tmp_path / name) for name in ("base.json", "overlay.json")]
    workflow = ConfigWorkflow(files, logging_file=False, epochs=3)
    workflow.initialize()
    (found,) = workflow.run()
    assert found.configuration == {
        "epochs": 3,
        "rate": "$@epochs / 50",
        "found": component | {"omit": ["secret"]},
        "run": ["$@found"],
        "_meta_": {"version": "1.2"},
    }
    found.configuration["found"]["omit"].append("y")
    assert workflow.parser.get("found::omit") == ["secret"]


def test_outside_of_a_bundle_there_is_none() -> None:
    assert bundle_configuration() == {}
