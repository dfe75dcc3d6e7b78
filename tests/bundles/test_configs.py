"""The bundles as other software sees them: metadata, properties, prefixes, network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow, verify_net_in_out
from monai.utils import set_determinism

from .conftest import BUNDLES, ROOT

CONFIGS = sorted((ROOT / "bundles").glob("*/configs/*.yaml"))
each_bundle = pytest.mark.parametrize("name", BUNDLES)
MANDATORY = {
    "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task", "description",
    "authors", "copyright", "network_data_format",
}  # fmt: skip


def targets(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["_target_"]] if "_target_" in node else []
        return own + [t for value in node.values() for t in targets(value)]
    return [t for value in node for t in targets(value)] if isinstance(node, list) else []


def admitted() -> list[str]:
    page = (ROOT / "docs" / "reference" / "config_prefixes.md").read_text()
    return re.search(r"```\n(.*?)\n```", page, re.S)[1].split()


@pytest.fixture
def determinism_as_it_was() -> Iterator[None]:
    """Undo what the configs set for their whole process."""
    yield
    set_determinism(seed=None)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: f"{p.parts[-3]}/{p.name}")
def test_targets_keep_to_the_documented_prefixes(path: Path) -> None:
    found = targets(yaml.safe_load(path.read_text()))
    assert [t for t in found if not t.startswith(tuple(admitted()))] == []


def test_no_documented_prefix_is_unused() -> None:
    found = [t for path in CONFIGS for t in targets(yaml.safe_load(path.read_text()))]
    assert [p for p in admitted() if not any(t.startswith(p) for t in found)] == []


@each_bundle
def test_no_python_travels_in_the_bundle(name: str) -> None:
    assert list(BUNDLES[name].rglob("*.py")) == []
    assert (BUNDLES[name] / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@each_bundle
def test_metadata_is_complete(name: str) -> None:
    metadata = json.loads((BUNDLES[name] / "configs" / "metadata.json").read_text())
    assert MANDATORY - set(metadata) == set()
    assert metadata["version"] in metadata["changelog"]
    image, pred = metadata["network_data_format"]["inputs"]["image"], metadata["network_data_format"]["outputs"]["pred"]
    assert len(image["channel_def"]) == image["num_channels"]
    assert len(pred["channel_def"]) == pred["num_channels"]


@each_bundle
@pytest.mark.parametrize("kind, config", [("train", "train.yaml"), ("infer", "inference.yaml")])
def test_properties_are_where_monai_looks_for_them(
    name: str, kind: str, config: str, datasets: dict[str, Path], tmp_path: Path, determinism_as_it_was: None
) -> None:
    workflow = ConfigWorkflow(
        config_file=str(BUNDLES[name] / "configs" / config),
        meta_file=str(BUNDLES[name] / "configs" / "metadata.json"),
        logging_file=False,
        workflow_type=kind,
        bundle_root=str(BUNDLES[name]),
        dataset_dir=str(datasets[name]),
        output_dir=str(tmp_path),
    )
    workflow.initialize()
    assert not workflow.check_properties()


@each_bundle
def test_the_fresh_network_matches_the_metadata(name: str, datasets: dict[str, Path]) -> None:
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(BUNDLES[name] / "configs" / "metadata.json"),
        config_file=str(BUNDLES[name] / "configs" / "inference.yaml"),
        device="cpu",
        dataset_dir=str(datasets[name]),
        extra_forward_args={"coordinates": torch.zeros(1, 3, 2)} if name == "slide" else {},
    )


@each_bundle
@pytest.mark.parametrize(
    "word, meant", [("false", False), ("False", False), ("true", True), (False, False), (True, True)]
)
@pytest.mark.parametrize(
    "configs, knob, read",
    [
        (["train"], "resume", "resumed"),
        (["inference"], "track_cases", "cases_tracked"),
        (["inference"], "include_keys", "keys_included"),
        (["train", "evaluate"], "track_cases", "cases_tracked"),
    ],
)
def test_false_on_the_command_line_is_false(
    name: str, configs: list[str], knob: str, read: str, word: object, meant: bool
) -> None:
    parser = ConfigParser()
    parser.read_config([str(BUNDLES[name] / "configs" / f"{config}.yaml") for config in configs])
    parser[knob] = word
    assert parser.get_parsed_content(read) is meant
    assert f"@{knob}'" not in yaml.dump(parser.get()), "handlers read what was understood, not the word"


def test_operating_points_are_chosen_on_validation_whatever_lies_below() -> None:
    parser = ConfigParser()
    names = ("train", "evaluate", "operating_points")
    parser.read_config([str(BUNDLES["chest"] / "configs" / f"{name}.yaml") for name in names])
    assert parser["validate::dataset::data::section"] == "validation"
    assert [h["_target_"].split(".")[-1] for h in parser["validate::handlers"]][-1] == "ChooseOperatingPoints"


@pytest.mark.parametrize("name", ["histology", "glioma"])
def test_no_figures_are_taken_on_patients_of_the_case_memory(name: str) -> None:
    parser = ConfigParser()
    parser.read_config([str(BUNDLES[name] / "configs" / f"{config}.yaml") for config in ("train", "evaluate")])
    (saver,) = [h for h in parser["validate::handlers"] if h["_target_"].endswith("SimilarCasesSaver")]
    assert saver["held_out"] == "@validate::dataset::data"
    parser.read_config(str(BUNDLES[name] / "configs" / "inference.yaml"))
    (saver,) = [h for h in parser["handlers"] if h["_target_"].endswith("SimilarCasesSaver")]
    assert saver["queries"] == "@inference_cases" and "held_out" not in saver, "a known patient may come again"


def test_tables_with_names_are_not_tracked_unless_asked_for() -> None:
    for bundle in BUNDLES.values():
        parser = ConfigParser()
        parser.read_config(str(bundle / "configs" / "inference.yaml"))
        parser["include_keys"] = "true"
        assert parser.get_parsed_content("cases_tracked") is False
