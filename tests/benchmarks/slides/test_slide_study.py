"""The study on slides: where the lesion is, MONAI's model as an arm, the tables, and a tiny run of it all."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_memvit.__main__ import main
from monai_memvit.benchmarks.slides.mil_arm import MilArm
from monai_memvit.benchmarks.slides.slide_tables import ARMS, slides_table
from monai_memvit.benchmarks.slides.slide_truth import lesion_shares, top_hits
from monai_memvit.data.simulate.slides import SlideSimulation, simulate_slide, simulate_slides
from monai_memvit.data.slides import SlideOptions, TileOptions, index_slide, prepare_slides
from monai_memvit.networks.blocks import TileFilterEmbedding

SIMULATION = SlideSimulation(size=(512, 512), lesion_share=0.1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten small slides and their truth."""
    return simulate_slides(tmp_path_factory.mktemp("study") / "cohort", 10, options=SIMULATION)


def test_shares_of_the_lesion_are_those_that_were_drawn(cohort: Path) -> None:
    simulated = {i: simulate_slide(i, 0, 0, SIMULATION) for i in (0, 1)}
    for patient, slide in simulated.items():
        path = cohort / "slides" / f"sim-{patient + 1:04d}-1.tif"
        index, _, _ = index_slide(path, TileOptions(mpp_target=1.0, tile=16, min_tissue=0.0, partial="keep"), path.name)
        shares = lesion_shares(index, cohort / "truth")
        if slide.label == 0:
            assert shares is None
            continue
        area = shares @ (index.table["width"].astype(float) * index.table["height"])
        assert area == pytest.approx(slide.lesion_pixels, rel=0.1)  # the polygon may leave the tissue, and is rounded
        centre = (index.positions_um()[shares > 0.99]).mean(0)
        vertices = next(vertices for kind, vertices in slide.regions if kind == "lesion")
        assert np.abs(centre - vertices.mean(0)).max() < 16


def test_truth_of_other_slides_is_told(cohort: Path, tmp_path: Path) -> None:
    path = cohort / "slides" / "sim-0001-1.tif"
    index, _, _ = index_slide(path, TileOptions(mpp_target=1.0, tile=32), "other.tif")
    with pytest.raises(ValueError, match="other.geojson is missing"):
        lesion_shares(index, cohort / "truth")


def test_hits_of_the_top_tiles() -> None:
    shares = np.array([0.0, 0.2, 0.0, 1.0, 0.01, 0.0, 0.0])
    assert top_hits(np.array([7.0, 6, 5, 4, 3, 2, 1]), shares) == 0.6
    assert top_hits(np.array([1.0, 6, 0, 4, 3, -2, 1]), shares, top=3) == 1.0


@pytest.mark.parametrize("mode", ["att", "att_trans", "mean"])
def test_contributions_of_the_comparator_sum_to_its_logits(mode: str, seed: int) -> None:
    network = MilArm(3, 2, partial(TileFilterEmbedding, filters=5), hidden_size=16, mil_mode=mode).eval()
    tiles, mask = torch.rand(2, 5, 3, 8, 8), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    logits = network(tiles, torch.zeros(2, 5, 2), mask)
    tiles[1, 3:] = 1e6  # padding is irrelevant
    torch.testing.assert_close(network(tiles, torch.zeros(2, 5, 2), mask), logits)
    shares = network.contributions(tiles[1, :3])
    summed = shares.mean(0) if mode == "mean" else shares.sum(0)
    torch.testing.assert_close(summed + network.model.myfc.bias, logits[1])


def test_the_tables_pair_runs_of_one_seed() -> None:
    def row(arm: str, seed: int, auc: float, hits: float) -> dict[str, object]:
        return {"arm": arm, "seed": seed, "auc": auc, "top5_hits": hits, "accuracy": 0.5, "chance_hits": 0.02}

    rows = [row(ARMS[0], 0, 0.9, 0.8), row(ARMS[0], 1, 0.96, 1.0), row(ARMS[2], 1, 0.93, 0.5)]
    table = slides_table(rows)
    assert "| SlideViT (2) | 93.0 ± 4.2 | 90.0 ± 14.1 |" in table
    assert f"| {ARMS[0]} − {ARMS[2]} (1) | +3.00 | +50.00 |" in table and ARMS[3] not in table


@pytest.mark.slow
def test_a_tiny_study_runs_once_and_reports(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data", tmp_path / "study.jsonl"
    options = SlideOptions(
        TileOptions(mpp_target=1.0, tile=32),
        cohort / "labels.csv",
        ["normal", "tumour"],
        val_fraction=0.3,
        test_fraction=0.4,
    )
    prepare_slides(cohort / "slides", data, options, workers=0, progress=False)
    bundle = Path(__file__).parents[3] / "bundles" / "slide_classification"
    words = ["benchmark", "slide-study", str(data), "--truth", str(cohort / "truth"), "--out", str(out)]
    words += ["--bundle", str(bundle), "--seeds", "0", "--epochs", "1", "--threads", "1", "--override", "filters=8"]
    assert main(words) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["arm"] for row in rows] == list(ARMS)
    for row in rows:
        assert 0 <= row["auc"] <= 1 and 0 <= row["top5_hits"] <= 1 and 0 < row["chance_hits"] < 1 and row["lesions"] > 0
    capsys.readouterr()
    assert main(words) == 0, "all runs are there already"
    assert len(out.read_text().splitlines()) == len(rows) and "95 % over" in capsys.readouterr().out
