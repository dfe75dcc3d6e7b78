"""The study on chest films: what its arms share, what pre-training hands over, and its runs on tiny films."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from monai_memvit.benchmarks.films import film_study
from monai_memvit.benchmarks.films.film_pretraining import encoder_path
from monai_memvit.benchmarks.films.film_scores import load_scores
from monai_memvit.benchmarks.films.film_study import add_arguments, run_benchmark
from monai_memvit.benchmarks.films.film_tables import ARMS, MEMORIES, PRETRAINED, PRETRAINING, SHORTCUT
from monai_memvit.benchmarks.studies.slice_predictions import predictions_path
from monai_memvit.data import load_section
from monai_memvit.data.radiographs import FilmPipeline, RadiographOptions, prepare_radiographs
from monai_memvit.networks.blocks import SequenceNormAttention, SimaAttention, SoftmaxAttention

BUNDLES = Path(__file__).parents[3] / "bundles"
SMALL = {"image_size": 32, "patch_size": 8, "batch_size": 8, "warmup_epochs": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Thirty films of fifteen patients; the source's validation patients are tested, none are held out."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "source").mkdir()
    random, lines = np.random.default_rng(0), ["file,patient,split,pneumonia"]
    for number in range(30):
        film = random.normal(100, 12, (48, 48))
        film[10:30, 10:30] += 60 * (number % 2)
        Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(folder / "source" / f"{number}.png")
        lines.append(f"{number}.png,p{number // 2},{'val' if number // 2 % 3 == 2 else 'train'},{number % 2}")
    (folder / "source" / "labels.csv").write_text("\n".join(lines) + "\n")
    options = RadiographOptions(pipeline=FilmPipeline(size=32), val_fraction=0.0)
    prepare_radiographs(folder / "source", folder / "data", options, workers=0, progress=False)
    return folder / "data"


def _arguments(data: Path, out: Path, *options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = [str(data), "--out", str(out), "--threads", "1", "--epochs", "1", "--pretrain-epochs", "1"]
    words += ["--section", "validation", "--bundle", str(BUNDLES / "chest_xray_classification")]
    words += ["--pretrain-bundle", str(BUNDLES / "chest_xray_mae_pretraining"), "--pretrain-override", "batch_size=8"]
    for key, value in SMALL.items():
        words += ["--override", f"{key}={value}"]
    return parser.parse_args([*words, *options])


def _job(data: Path, out: Path, arm: str, seed: int = 0, *options: str):
    args = _arguments(data, out, *options)
    return film_study._job(args, film_study._settings(args) | {"seed": seed, "arm": arm})


@pytest.fixture(scope="module")
def study(data, tmp_path_factory):
    """One seed of five arms."""
    out = tmp_path_factory.mktemp("study") / "study.jsonl"
    run_benchmark(_arguments(data, out, "--seeds", "0", "--arms", "sequence norm", "SimA", *PRETRAINED, "MoViT"))
    return out


def _rows(out: Path) -> dict[str, dict]:
    return {row["arm"]: row for row in map(json.loads, out.read_text().splitlines())}


@pytest.mark.slow
def test_attentions_share_initialisation_order_and_augmentation(data, tmp_path):
    kinds = {"sequence norm": SequenceNormAttention, "softmax": SoftmaxAttention, "SimA": SimaAttention}
    jobs = {arm: _job(data, tmp_path / "s.jsonl", arm) for arm in kinds}
    networks = {arm: job.get_parsed_content("network") for arm, job in jobs.items()}
    for arm, kind in kinds.items():
        assert type(networks[arm].blocks[0].attention) is kind
    first = networks["sequence norm"].state_dict()
    for network in networks.values():
        state = network.state_dict()
        assert all(torch.equal(first[name], state[name]) for name in first.keys() & state.keys())
        alone = {name.partition("attention.")[2] for name in first.keys() ^ state.keys()}
        assert alone <= {"weight", "bias", "qkv.bias"}  # of the normalisation, and of the projection behind none
    other = _job(data, tmp_path / "s.jsonl", "sequence norm", 1).get_parsed_content("network").state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)
    epochs = {arm: list(job.get_parsed_content("train::dataloader")) for arm, job in jobs.items()}
    for batches in epochs.values():
        assert all(torch.equal(a["image"], b["image"]) for a, b in zip(batches, epochs["sequence norm"], strict=True))


@pytest.mark.slow
def test_memories_share_all_but_themselves(data, tmp_path):
    jobs = {arm: _job(data, tmp_path / "s.jsonl", arm) for pair in MEMORIES for arm in pair}
    states = [
        {name.replace(".local.", "."): value for name, value in job.get_parsed_content("network").state_dict().items()}
        for job in jobs.values()
    ]
    assert all(torch.equal(value, state[name]) for state in states for name, value in states[0].items())
    joins = [job.get_parsed_content("network").class_token_from for job in jobs.values()]
    assert joins == [0, 0, 2, 2]
    film_study.run_training(jobs["MoViT, similar"])
    bank = jobs["MoViT, similar"].get_parsed_content("network").blocks[-1].attention.bank
    known = {item["sample_id"]: item["labels"][0] for item in load_section(data / "datalist.json", "training")}
    assert bank.labels.tolist() == [known[i] for i in bank.ids.tolist()]


@pytest.mark.slow
def test_predictions_are_those_of_the_figures(data, study):
    rows, items = _rows(study), load_section(data / "datalist.json", "validation")
    assert [*rows] == [SHORTCUT, PRETRAINING, "sequence norm", "SimA", *PRETRAINED, "MoViT"]
    assert {"auc_memory_off", "auc_shuffled"} <= rows["MoViT"].keys() and rows["SimA"]["cases"] == 20
    assert {*rows[PRETRAINING]} >= {"loss", "explained"} and "auc" not in rows[PRETRAINING]
    for row in (row for arm, row in rows.items() if arm != PRETRAINING):
        said = load_scores(predictions_path(study, row))
        assert said.labels.tolist() == [item["labels"] for item in items]
        assert said.groups.tolist() == [item["group_id"] for item in items]
        assert row["auc"] == pytest.approx(roc_auc_score(said.labels[:, 0], said.probabilities[:, 0]), abs=1e-6)
        assert (row["films"], row["patients"]) == (10, 5)
    assert rows[SHORTCUT]["auc"] > 0.9


@pytest.mark.slow
def test_pre_trained_arms_begin_with_the_encoder(data, study):
    weights = torch.load(encoder_path(study, 0), weights_only=True)
    given = {name.removeprefix("encoder."): value for name, value in weights.items() if name.startswith("encoder.")}
    scratch = _job(data, study, "sequence norm").get_parsed_content("network").state_dict()
    for arm in PRETRAINED:
        state = _job(data, study, arm).get_parsed_content("network").state_dict()
        assert all(torch.equal(state[name], value) for name, value in given.items())
        assert torch.equal(state["head.weight"], scratch["head.weight"])
    assert not torch.equal(scratch["blocks.0.mlp.linear1.weight"], given["blocks.0.mlp.linear1.weight"])


@pytest.mark.slow
def test_the_linear_probe_trains_its_head_alone(data, study):
    job = _job(data, study, "sequence norm, linear probe")
    network = job.get_parsed_content("network")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    film_study.run_training(job)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}


@pytest.mark.slow
def test_fine_tuning_alone_has_its_overrides(data, study):
    words = ("--finetune-override", "learning_rate=0.5")
    rates = {arm: _job(data, study, arm, 0, *words).get_parsed_content("learning_rate") for arm in ARMS}
    assert rates.pop("sequence norm, pre-trained") == 0.5 and set(rates.values()) == {0.001}


@pytest.mark.slow
def test_finished_runs_are_kept_and_other_settings_refused(data, study, capsys, monkeypatch):
    before = study.read_text()
    monkeypatch.setattr(film_study, "_work", lambda args, run: pytest.fail(f"asked again: {run}"))
    options = ("--seeds", "0", "--arms", "sequence norm", "SimA", *PRETRAINED, "MoViT")
    run_benchmark(_arguments(data, study, *options))
    printed = capsys.readouterr().out
    assert "over seeds]" in printed and "over 5 patients]" in printed and SHORTCUT in printed and PRETRAINING in printed
    run_benchmark(_arguments(data, study, *options, "--report-only"))
    assert capsys.readouterr().out == printed
    for changed in (["--pretrain-epochs", "2"], ["--section", "training"], ["--finetune-override", "layer_decay=0.9"]):
        with pytest.raises(ValueError, match="runs of different"):
            run_benchmark(_arguments(data, study, *options, *changed))
    assert study.read_text() == before


def test_pre_training_runs_only_for_the_arms_that_need_it(data, tmp_path):
    args = _arguments(data, tmp_path / "s.jsonl", "--seeds", "0", "1", "--arms", "softmax", "SimA")
    arms = [run["arm"] for run in film_study._plan(args, {})]
    assert arms == [SHORTCUT, "softmax", "SimA", "softmax", "SimA"]
    args.arms = [PRETRAINED[1]]
    assert [run["arm"] for run in film_study._plan(args, {})] == [SHORTCUT, *[PRETRAINING, PRETRAINED[1]] * 2]


def test_a_missing_encoder_is_named(data, tmp_path):
    with pytest.raises(ValueError, match=r"0\.pt is missing: .*take the line of 'masked pre-training' and seed 0"):
        _job(data, tmp_path / "s.jsonl", PRETRAINED[0])
