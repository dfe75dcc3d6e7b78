"""One word in a bundle's command: a memory by likeness, from training to inference."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.utils import set_determinism
from torch import nn

from monai_memvit.data import load_case_index
from monai_memvit.memory import CosineRetrieval, LogitRetrieval, memory_layers
from monai_memvit.networks.blocks import ConfidenceGate, FactLabelEmbedding

from .conftest import BUNDLES


@pytest.fixture
def determinism_as_it_was() -> Iterator[None]:
    """Undo what the configs set for their whole process."""
    yield
    set_determinism(seed=None)


def built(name: str, config: str, data: Path, **knobs: Any) -> nn.Module:
    parser = ConfigParser()
    parser.read_config(str(BUNDLES[name] / "configs" / config))
    parser.update({"dataset_dir": str(data), "memory_layers": [-1]} | knobs)
    network: nn.Module = parser.get_parsed_content("network_def")
    return network


@pytest.mark.parametrize("name", ["histology", "glioma", "chest"])
def test_training_and_inference_build_the_same_network(name: str, datasets: dict[str, Path]) -> None:
    for preset, retrieval in {"paper": LogitRetrieval, "similar": CosineRetrieval}.items():
        for config in ("train.yaml", "inference.yaml"):
            network = built(name, config, datasets[name], preset_memory=preset)
            (layer,) = memory_layers(network)
            is_similar = preset == "similar"
            assert type(layer.retrieval) is retrieval and isinstance(layer.gating, ConfidenceGate) is is_similar
            assert isinstance(layer.fact_labels, FactLabelEmbedding) is is_similar
            assert network.class_token_from == (2 if is_similar else 0)
        trained = built(name, "train.yaml", datasets[name], preset_memory=preset).state_dict()
        assert {n: t.shape for n, t in network.state_dict().items()} == {n: t.shape for n, t in trained.items()}


def test_another_word_is_refused(cohort: Path) -> None:
    with pytest.raises(Exception) as refused:
        built("histology", "train.yaml", cohort, preset_memory="alike")
    cause: BaseException | None = refused.value
    while cause is not None and "preset_memory must be one of ['paper', 'similar'], got 'alike'" not in str(cause):
        cause = cause.__cause__
    assert isinstance(cause, ValueError)


def run(configs: str, data: Path, out: Path, **knobs: Any) -> ConfigParser:
    files = [str(BUNDLES["histology"] / "configs" / f"{config}.yaml") for config in configs.split("+")]
    knobs |= {"output_dir": str(out / "results"), "dataset_dir": str(data), "preset_memory": "similar"}
    workflow = ConfigWorkflow(files, logging_file=False, workflow_type="train", batch_size=16, **knobs)
    workflow.initialize()
    workflow.run()
    return workflow.parser


def probabilities(path: Path) -> dict[str, list[float]]:
    rows = csv.DictReader(path.read_text().splitlines())
    return {row["sample_id"]: [float(row[n]) for n in row if n.startswith("probability")] for row in rows}


@pytest.mark.slow
def test_train_evaluate_infer(cohort: Path, tmp_path: Path, determinism_as_it_was: None) -> None:
    models = {"model_dir": str(tmp_path / "models")}
    network = run("train", cohort, tmp_path, max_epochs=2, **models).get_parsed_content("network").eval()
    (layer,) = memory_layers(network)
    known = load_case_index(cohort / "datalist.json")
    assert layer.bank.labels.tolist() == [known[i].label for i in layer.bank.ids.tolist()] and len(layer.bank)
    assert float(layer.fact_labels.weight.detach().abs().sum()) > 0, "nothing was read with its class"

    run("train+evaluate", cohort, tmp_path, **models)
    checkpoint = str(tmp_path / "models" / "model.pt")
    told = run("inference", cohort, tmp_path, checkpoint=checkpoint, case_memory="")
    evaluated = probabilities(tmp_path / "results" / "evaluation" / "predictions.csv")
    inferred = probabilities(tmp_path / "results" / "inference" / "predictions.csv")
    assert evaluated.keys() == inferred.keys()
    for case, row in inferred.items():
        assert row == pytest.approx(evaluated[case], abs=1e-4)

    reloaded = told.get_parsed_content("network").eval()
    reloaded.load_state_dict(torch.load(tmp_path / "models" / "checkpoint.pt", weights_only=True)["network"])
    images = next(iter(told.get_parsed_content("dataloader")))["image"]
    with torch.no_grad():
        assert torch.equal(reloaded(images), network(images))
