"""The pre-training bundle: configurations, two epochs on small films, resuming, and the encoder in a classifier."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.utils import set_determinism

from monai_memvit.data import Datalist, IdentityKey, id_map
from monai_memvit.networks.blocks import ChannelEmbedding, SequenceNormAttention
from monai_memvit.networks.nets import MaskedAutoencoder, MoViT, SeqNormViT
from monai_memvit.__main__ import main
from monai_memvit.networks.pretrained import load_pretrained

from .conftest import ROOT, BundleCommand

BUNDLE = ROOT / "bundles" / "chest_xray_mae_pretraining"
SMALL = ("--image_size", "32", "--patch_size", "4", "--val_interval", "1", "--batch_size", "8")
SIZES: dict[str, Any] = {"img_size": 32, "patch_size": 4, "attention": SequenceNormAttention}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four simulated films of twelve patients, cached as 8-bit values: the folder with their datalist."""
    folder = tmp_path_factory.mktemp("films")
    identity, random = IdentityKey.load_or_create(folder), np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :40] / 40
    items = []
    for n in range(24):
        top, left = random.uniform(0.3, 0.7, 2)
        film = 0.5 + 0.4 * np.cos(6 * (rows - top)) * np.sin(7 * (columns - left)) + 0.05 * random.random((40, 40))
        np.save(folder / f"{n}.npy", (film.clip(0, 1) * 255).astype(np.uint8))
        keys = {"sample_key": f"film-{n}", "group_key": f"patient-{n // 2}"}
        ids = {"sample_id": identity.identify(f"film-{n}"), "group_id": identity.identify(f"patient-{n // 2}")}
        items.append({"image": f"{n}.npy", "labels": [n % 2], **keys, **ids})
    sections = {"training": items[:16], "validation": items[16:20], "test": items[20:]}
    number = id_map(item["sample_id"] for item in items)
    Datalist("films", ["finding"], 1, "ab" * 32, number, sections, multi_label=True).save(folder / "datalist.json")
    return folder


@pytest.fixture
def bundle(films: Path, tmp_path: Path) -> BundleCommand:
    return BundleCommand(BUNDLE, films, tmp_path)


@pytest.fixture
def determinism_as_it_was() -> Iterator[None]:
    yield
    set_determinism(seed=None)


def targets(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["_target_"]] if "_target_" in node else []
        return own + [t for value in node.values() for t in targets(value)]
    return [t for value in node for t in targets(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("path", sorted((BUNDLE / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_targets_keep_to_known_prefixes(path: Path) -> None:
    known = ("ignite.handlers.", "monai.", "monai_memvit.", "torch.nn.", "torch.optim.")
    assert [t for t in targets(yaml.safe_load(path.read_text())) if not t.startswith(known)] == []


def test_no_python_travels_in_the_bundle() -> None:
    assert list(BUNDLE.rglob("*.py")) == []
    assert (BUNDLE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("overlays", [[], ["mri_slices.yaml"]])
def test_properties_and_metadata_fit_the_network(
    overlays: list[str], films: Path, slices: Path, tmp_path: Path, determinism_as_it_was: None
) -> None:
    workflow = ConfigWorkflow(
        config_file=[str(BUNDLE / "configs" / name) for name in ("train.yaml", *overlays)],
        meta_file=str(BUNDLE / "configs" / "metadata.json"),
        logging_file=False,
        workflow_type="train",
        bundle_root=str(BUNDLE),
        dataset_dir=str(slices if overlays else films),
        output_dir=str(tmp_path),
        image_size=64,
    )
    workflow.initialize()
    assert not workflow.check_properties()
    network, form = workflow.network_def, workflow.parser["_meta_"]["network_data_format"]
    channels = 5 if overlays else form["inputs"]["image"]["num_channels"]
    with torch.no_grad():
        pred = network.cpu()(torch.rand(1, channels, 64, 64))
    assert pred["reconstruction"].shape == (1, channels, 64, 64)
    assert pred["hidden"].float().mean() == pytest.approx(0.9, abs=0.04)
    assert form["outputs"]["pred"]["num_channels"] == form["inputs"]["image"]["num_channels"]


@pytest.mark.parametrize(("word", "meant"), [("false", False), ("False", False), ("true", True), (False, False)])
@pytest.mark.parametrize(
    ("knob", "read"),
    [("resume", "resumed"), ("track_pictures", "pictures_tracked"), ("normalize_patches", "patches_normalized")],
)
def test_false_on_the_command_line_is_false(knob: str, read: str, word: object, meant: bool) -> None:
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in ("train.yaml", "evaluate.yaml")])
    parser[knob] = word
    assert parser.get_parsed_content(read) is meant
    assert f"@{knob}'" not in yaml.dump(parser.get())


@pytest.mark.parametrize(("epochs", "interval"), [(3, 3), (800, 10)])
def test_a_short_training_is_validated_at_its_end(epochs: int, interval: int) -> None:
    parser = ConfigParser()
    parser.read_config(str(BUNDLE / "configs" / "train.yaml"))
    parser["max_epochs"] = epochs
    (handler,) = [h for h in parser["train::handlers"] if h["_target_"].endswith("ValidationHandler")]
    parser["found"] = handler["interval"]
    assert parser.get_parsed_content("found") == interval


@pytest.mark.slow
def test_pretrain_evaluate_and_fill_classifiers(bundle: BundleCommand) -> None:
    bundle("train.yaml", "--max_epochs", "2", *SMALL)
    bundle("train.yaml+evaluate.yaml", *SMALL)
    path = bundle.out / "models" / "model.pt"
    source = MaskedAutoencoder.from_preset("micro", mask_ratio=0.0, in_channels=1, pool="mean", **SIZES).eval()
    source.load_state_dict(torch.load(path, weights_only=True))
    x, heard = torch.rand(2, 1, 32, 32), []
    source.decoder.register_forward_pre_hook(lambda _, args: heard.extend(args[:2]))
    source(x)
    order = heard[1].argsort(1)[..., None].expand_as(heard[0])
    for checkpoint in ("model.pt", "checkpoint.pt"):
        network = SeqNormViT.from_preset("micro", in_channels=1, num_classes=3, pool="mean", **SIZES).eval()
        assert load_pretrained(network, path.with_name(checkpoint)).fresh == ("head.bias", "head.weight")
    torch.testing.assert_close(network.forward_features(x), heard[0].gather(1, order), rtol=1e-4, atol=1e-5)
    check_tracking(bundle.out / "results")


def check_tracking(results: Path) -> None:
    report = json.loads((results / "evaluation" / "metrics.json").read_text())
    assert report["images"] == 4 and report["loss"] > 0 and report["explained"] < 1
    client = mlflow.MlflowClient(f"sqlite:///{results / 'mlruns.db'}")
    experiment = client.get_experiment_by_name("chest_xray_mae_pretraining")
    runs = {run.data.tags["job"]: run for run in client.search_runs(experiment.experiment_id)}
    assert runs.keys() == {"pretrain", "evaluate"} and {r.info.status for r in runs.values()} == {"FINISHED"}
    kept = {job: {a.path for a in client.list_artifacts(run.info.run_id)} for job, run in runs.items()}
    assert kept["pretrain"] == {
        "configuration.json",
        "metrics.json",
        "reconstruction_0001.png",
        "reconstruction_0002.png",
    }
    assert kept["evaluate"] == {"configuration.json", "metrics.json", "reconstruction_0001.png"}
    assert {"train_loss", "val_loss", "val_explained"} <= runs["pretrain"].data.metrics.keys()
    assert runs["evaluate"].data.metrics["test_loss"] == pytest.approx(report["loss"])
    assert float(runs["pretrain"].data.params["learning_rate"]) == pytest.approx(0.00015 * 8 / 256)
    for picture in (results / "validation").glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Places where two checkpoints are not the same to the last bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return [d for key in one for d in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        return [d for i, (a, b) in enumerate(zip(one, other)) for d in differences(a, b, f"{path}/{i}")]
    same = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    return [] if same else [path]


@pytest.mark.slow
def test_a_killed_run_resumes_bit_for_bit(
    bundle: BundleCommand, films: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    epochs = ("--max_epochs", "4", "--warmup_epochs", "2", *SMALL)
    whole = BundleCommand(BUNDLE, films, tmp_path_factory.mktemp("whole"))
    whole("train.yaml", *epochs)
    process = bundle.start(*bundle.words("train.yaml", *epochs))
    assert process.stdout is not None
    for line in process.stdout:
        if "Epoch[3] Metrics" in line:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    left, ended = (torch.load(b.out / "models" / "checkpoint.pt", weights_only=True) for b in (bundle, whole))
    assert left["trainer"]["epoch"] in (2, 3) and differences(left["network"], ended["network"])
    bundle("train.yaml", *epochs, "--resume", "true", "--num_workers", "2")
    again = torch.load(bundle.out / "models" / "checkpoint.pt", weights_only=True)
    assert differences(ended, again) == []


@pytest.mark.slow
def test_slices_of_several_sequences(slices: Path, tmp_path: Path) -> None:
    bundle = BundleCommand(BUNDLE, slices, tmp_path)
    bundle("train.yaml+mri_slices.yaml", "--max_epochs", "1", *SMALL)
    network = MoViT.from_preset("micro", in_channels=5, num_classes=2, embedding=ChannelEmbedding, **SIZES)
    assert "embedding.channels" in load_pretrained(network, tmp_path / "models" / "model.pt").loaded


@pytest.mark.slow
def test_histology_patches(tmp_path: Path) -> None:
    main(["simulate", "patches", str(tmp_path / "cohort.npz"), "--patients", "12", "--patches-per-patient", "6"])
    main(["prepare", "patches", str(tmp_path / "cohort.npz"), str(tmp_path / "data")])
    BundleCommand(BUNDLE, tmp_path / "data", tmp_path)("train.yaml+histology_patches.yaml", "--max_epochs", "1")
    weights = tmp_path / "models" / "model.pt"
    parser = ConfigParser()
    parser.read_config(str(ROOT / "bundles" / "histology_patch_classification" / "configs" / "train.yaml"))
    parser.update({"bundle_root": str(tmp_path), "dataset_dir": str(tmp_path / "data"), "pretrained": str(weights)})
    network = parser.get_parsed_content("network")
    assert "embedding.positions.table" in parser.get_parsed_content("pretrained_weights").loaded
    saved = torch.load(weights, weights_only=True)["encoder.embedding.positions.table"]
    assert torch.equal(network.embedding.positions.table.cpu(), saved)
    assert "$@pretrained_weights" in parser["initialize"]


@pytest.mark.slow
def test_two_ranks(bundle: BundleCommand) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    bundle("train.yaml+multi_gpu_train.yaml", "--max_epochs", "2", *SMALL, launcher=launcher)
    saved = torch.load(bundle.out / "models" / "model.pt", weights_only=True)
    assert not any(name.startswith("module.") for name in saved)
    assert len(list((bundle.out / "results" / "validation").glob("*.png"))) == 2
