"""The study on MRI slices: what it counts, how its arms are paired, and its runs on a tiny cohort."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from monai_memvit.__main__ import main
from monai_memvit.benchmarks.mri import mri_study
from monai_memvit.benchmarks.mri.mri_study import add_arguments, run_benchmark
from monai_memvit.benchmarks.mri.mri_tables import ARMS, SHORTCUT
from monai_memvit.benchmarks.studies.slice_predictions import load_predictions, predictions_path
from monai_memvit.data import load_fingerprint, load_section
from monai_memvit.memory import memory_layers

BUNDLE = Path(__file__).parents[3] / "bundles" / "glioma_mri_classification"
SMALL = ["image_size=16", "patch_size=8", "batch_size=12", "num_neighbors=4"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten patients of four slices; of the three that are tested one has t1 only, one lacks flair."""
    folder = tmp_path_factory.mktemp("tiny")
    random = np.random.default_rng(0)
    patient, label = np.repeat(np.arange(10), 4), np.tile([0, 1, 1, 0, 1, 0, 1, 0], 5)
    image = random.integers(60, 140, (40, 16, 16, 3), dtype=np.uint8)
    image[:, :2] = image[:, -2:] = 0
    image[label == 1, 6:10, 6:10] += 10
    missing = np.zeros((10, 3), bool)
    missing[7, 1:] = missing[8, 1] = missing[0, 2] = True
    columns = {"patient": patient, "label": label, "image": image, "slice_no": np.tile(np.arange(4), 10)}
    split = np.where(patient < 7, "train", "val")
    np.savez(folder / "slices.npz", channel_missing=missing, split=split, **columns)
    assert (
        main(["prepare", "mri", str(folder / "slices.npz"), str(folder / "data"), "--sequences", "t1,flair,t1gd"]) == 0
    )
    return folder / "data"


def _arguments(data: Path, out: Path, *options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = [str(data), "--out", str(out), "--bundle", str(BUNDLE), "--threads", "1", "--epochs", "2"]
    for setting in SMALL:
        words += ["--override", setting]
    return parser.parse_args([*words, *options])


def _job(data: Path, arm: str, seed: int = 0):
    return mri_study._job(_arguments(data, Path("unused.jsonl")), {"seed": seed, "arm": arm})


def _section(data: Path) -> list[dict]:
    return load_section(data / "datalist.json", "test")


@pytest.fixture(scope="module")
def study(data, tmp_path_factory):
    """One seed of two arms."""
    out = tmp_path_factory.mktemp("study") / "study.jsonl"
    run_benchmark(_arguments(data, out, "--seeds", "0", "--arms", "plain, zeros", "MoViT, zeros"))
    return out


def _rows(out: Path) -> dict[str, dict]:
    return {row["arm"]: row for row in map(json.loads, out.read_text().splitlines())}


@pytest.mark.parametrize(
    ("arms", "embedding"),
    [
        (("plain", "MoViT"), "zeros"),
        (("plain", "MoViT"), "tokens"),
        (("plain, late class token", "MoViT, similar"), "zeros"),
    ],
)
def test_arms_of_one_embedding_share_initialisation(data, arms, embedding):
    plain, movit = (_job(data, f"{name}, {embedding}").get_parsed_content("network") for name in arms)
    assert memory_layers(movit)
    with pytest.raises(ValueError, match="no memory"):
        memory_layers(plain)
    first = plain.state_dict()
    second = {name.replace(".local.", "."): value for name, value in movit.state_dict().items()}
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = _job(data, f"{arms[0]}, {embedding}", seed=1).get_parsed_content("network").state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.slow
def test_slices_without_any_sequence_do_not_count(data, study):
    items = _section(data)
    there = np.array([item["channel_mask"] for item in items])
    for row in (row for arm, row in _rows(study).items() if arm != SHORTCUT):
        for missing, name in enumerate(["t1", "flair", "t1gd"]):
            served = np.delete(there, missing, axis=1).any(1)
            assert row[f"cases_without_{name}"] == served.sum()
        assert row["cases_without_t1"] == 8 and row["cases_without_flair"] == row["slices"] == 12
        assert len({row[f"calibration_error{reading}"] for reading in ("", "_without_t1", "_without_flair")}) == 3


@pytest.mark.slow
def test_incomplete_slices_and_their_patients_are_counted(study):
    for row in _rows(study).values():
        counts = [row[name] for name in ("slices", "patients", "incomplete_slices", "incomplete_patients")]
        assert counts == [12, 3, 8, 2]


@pytest.mark.slow
def test_predictions_are_those_of_the_figures(data, study):
    rows, items = _rows(study), _section(data)
    assert len(list((study.parent / "study_predictions").iterdir())) == 3
    for row in rows.values():
        said = load_predictions(predictions_path(study, row))
        assert said.probabilities.dtype == torch.float32
        assert said.labels.tolist() == [item["label"] for item in items]
        assert said.groups.tolist() == [item["group_id"] for item in items]
        assert said.complete.tolist() == [all(item["channel_mask"]) for item in items]
        assert row["auc"] == pytest.approx(roc_auc_score(said.labels, said.probabilities[:, 1]), abs=1e-6)
        if row["arm"] != SHORTCUT:
            rest = said.where(~said.complete)
            expected = roc_auc_score(rest.labels, rest.probabilities[:, 1])
            assert row["auc_incomplete"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_a_row_says_how_it_was_made(data, study):
    for row in _rows(study).values():
        assert (row["epochs"], row["section"]) == (2, "test")
        assert row["overrides"] == {"image_size": 16, "patch_size": 8, "batch_size": 12, "num_neighbors": 4}
        assert row["fingerprint"] == load_fingerprint(data / "datalist.json")
    plain, movit = (_rows(study)[arm] for arm in ("plain, zeros", "MoViT, zeros"))
    assert (plain["cases"], movit["cases"]) == (24, 24)
    for reading in ("auc_unrefreshed", "auc_memory_off", "auc_shuffled"):
        assert reading in movit and reading not in plain


@pytest.mark.slow
def test_finished_runs_are_kept_and_other_settings_refused(data, study, tmp_path, capsys, monkeypatch):
    (tmp_path / "study.jsonl").write_text(before := study.read_text())
    monkeypatch.setattr(mri_study, "_work", lambda args, run: pytest.fail(f"asked again: {run}"))
    options = ("--seeds", "0", "--arms", "plain, zeros", "MoViT, zeros")
    run_benchmark(_arguments(data, study, *options))
    printed = capsys.readouterr().out
    assert "over seeds]" in printed and "over 3 patients]" in printed and SHORTCUT in printed
    run_benchmark(_arguments(data, study, *options, "--report-only"))
    assert capsys.readouterr().out == printed
    for changed in (["--epochs", "3"], ["--section", "validation"], ["--override", "learning_rate=0.01"]):
        with pytest.raises(ValueError, match="runs of different"):
            run_benchmark(_arguments(data, tmp_path / "study.jsonl", *options, *changed))
    assert (tmp_path / "study.jsonl").read_text() == before


def test_the_memory_is_refreshed_with_whole_slices(data):
    """Afterwards every stored fact is what the network now says of the case, all its sequences there."""
    parser = _job(data, "MoViT, zeros")
    mri_study.run_training(parser)
    network = parser.get_parsed_content("network").eval()
    (layer,) = memory_layers(network)
    before = layer.bank.keys.clone()
    ids = layer.bank.ids.clone()
    parser.get_parsed_content("refresh::evaluator").run()
    assert torch.equal(layer.bank.ids, ids) and not torch.equal(layer.bank.keys, before)
    batch = next(iter(parser.get_parsed_content("refresh::dataloader")))
    stored = parser.get_parsed_content("validate::preprocessing")(load_section(data / "datalist.json", "training")[0])
    assert torch.equal(batch["image"][0], stored["image"])
    assert batch["channel_mask"][0].tolist() == stored["channel_mask"].tolist()
    after = layer.bank.keys.clone()
    parser.get_parsed_content("refresh::evaluator").run()
    torch.testing.assert_close(layer.bank.keys, after)


def test_mixed_rows_are_not_tabulated(tmp_path):
    out = tmp_path / "study.jsonl"
    figures = {"section": "test", "overrides": {}, "fingerprint": "ab", "auc": 0.5}
    rows = [{"seed": s, "arm": arm, "epochs": 1 + s} | figures for s in (0, 1) for arm in ARMS]
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ValueError, match=r"runs of different epochs \(1, 2\)"):
        run_benchmark(_arguments(tmp_path, out, "--report-only"))
    out.write_text(json.dumps({"seed": 0, "arm": ARMS[0], "epochs": 1, "auc": 0.5}) + "\n")
    with pytest.raises(ValueError, match="an earlier version wrote these runs"):
        run_benchmark(_arguments(tmp_path, out, "--report-only"))


class _Loader(dict):
    """What a job's parser answers, without a bundle."""

    def get_parsed_content(self, name: str):
        return self[name]


def test_an_unserved_slice_changes_no_figure():
    """A network that says of every slice without sequences the opposite of the truth."""

    class Oracle(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sign = torch.nn.Parameter(torch.ones(1))

        def forward(self, x, channel_mask):
            truth = x[:, 0, 0, 0] * torch.where(channel_mask.any(1), self.sign, -self.sign)
            return torch.stack([-truth, truth], dim=1)

    label = torch.tensor([0, 1, 0, 1, 0, 1])
    there = torch.tensor([[1, 1], [1, 1], [0, 1], [1, 1], [1, 0], [1, 0]], dtype=torch.bool)
    image = (2.0 * label - 1).reshape(-1, 1, 1, 1).expand(-1, 2, 4, 4)
    batch = {"image": image, "channel_mask": there, "label": label, "group_id": torch.arange(6)}
    job = _Loader({"network": Oracle(), "validate::dataloader": [batch]})
    without = [mri_study._figures_without(job, missing, ["a", "b"]) for missing in (0, 1)]
    assert without[0]["cases_without_a"] == 4 and without[1]["cases_without_b"] == 5
    assert without[0]["accuracy_without_a"] == without[1]["accuracy_without_b"] == 1
    only_one = mri_study._figures_without(
        _Loader(job | {"validate::dataloader": [{k: v[4:] for k, v in batch.items()}]}), 0, ["a", "b"]
    )
    assert only_one == {"cases_without_a": 0} and not math.isnan(without[0]["auc_without_a"])
