"""Contributions in the film's own pixels."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator
from PIL import Image

from monai_memvit.handlers import FilmHeatmaps, OperatingPoints
from monai_memvit.handlers.film_heatmaps import contribution_overlay

FINDINGS = ["effusion", "pleural thickening", "mass"]


class MeanOfPatches(torch.nn.Module):
    """Logits of finding k are k - 1 plus (k + 1) times the mean of the film; so are the shares of its 8 x 8 patches."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([k - 1 + (k + 1) * x.mean((1, 2, 3)) for k in range(3)], 1)


def shares(network: MeanOfPatches, x: torch.Tensor, **known: torch.Tensor) -> torch.Tensor:
    assert known.keys() == {"sample_ids", "group_ids"} and len(known["sample_ids"]) == len(x)
    patches = torch.nn.functional.avg_pool2d(x, 8)
    return torch.cat([(k + 1) * patches / patches[0].numel() for k in range(3)], 1)


@pytest.fixture
def films(tmp_path: Path) -> list[dict[str, Any]]:
    """Three prepared films of 60 x 40 pixels in 32: cropped to rows 4 to 52, columns 2 to 38; a bright spot in each."""
    items = []
    for number in range(3):
        film = np.zeros((32, 32), np.uint8)
        film[8:16, 8:16] = 255
        np.save(tmp_path / f"{number}.npy", film)
        record = {"original_size": [60, 40], "size": 32, "box": [4, 2, 52, 38]}
        (tmp_path / f"{number}.json").write_text(json.dumps(record))
        image = torch.from_numpy(film)[None] / 255
        items.append({"image": image, "sample_id": 100 + number, "group_id": number})
    return items


def run(
    items: list[dict[str, Any]], folder: Path, contributions: Any = shares, names: Any = FINDINGS, **options: Any
) -> list[dict[str, str]]:
    network = MeanOfPatches()
    queries = [{"sample_id": f["sample_id"], "image": str(folder / f"{i}.npy")} for i, f in enumerate(items)]
    handler = FilmHeatmaps(network, contributions, str(folder / "out"), names, queries, **options)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(items, batch_size=2, num_workers=0),
        network=network,
        val_handlers=[handler],
    )
    evaluator.run()
    return list(csv.DictReader((folder / "out" / "heatmaps.csv").read_text().splitlines()))


def test_map_and_picture_have_the_films_own_rows_and_columns(films: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = run(films, tmp_path, top=1)
    assert [row["sample_id"] for row in rows] == ["100", "101", "102"]
    assert {row["finding"] for row in rows} == {"mass"}
    values = np.load(tmp_path / "out" / rows[0]["map"])
    assert values.shape == (60, 40) and values.dtype == np.float32
    inside = np.zeros((60, 40), bool)
    inside[4:52, 2:38] = True
    assert not values[~inside].any()
    # The box, 48 x 36, has 32 x 24 pixels of the square, columns from 4 on: one of them is 1.5 of the film.
    top, left = 4 + 8 * 1.5, 2 + (8 - 4) * 1.5
    peak = np.unravel_index(values.argmax(), values.shape)
    assert top <= peak[0] < top + 12 and left <= peak[1] < left + 12
    assert values.max() == pytest.approx(3 / 16 * (15 / 16) ** 2, rel=0.02)  # half a pixel of 8 from the patch's centre
    with Image.open(tmp_path / "out" / rows[0]["picture"]) as picture:
        assert picture.size == (40, 60) and picture.mode == "RGB"
        red, _, blue = picture.getpixel((int(peak[1]), int(peak[0])))
    assert red > blue + 50


def test_the_table_ties_contributions_to_logits(films: list[dict[str, Any]], tmp_path: Path) -> None:
    row = run(films, tmp_path, top=1)[0]
    mean = 64 / 1024
    assert float(row["logit"]) == pytest.approx(1 + 3 * mean, rel=1e-4)
    assert float(row["sum_of_contributions"]) == pytest.approx(3 * mean, rel=1e-4)
    assert float(row["probability"]) == pytest.approx(1 / (1 + np.exp(-1 - 3 * mean)), rel=1e-4)


def test_findings_above_their_points_are_shown(films: list[dict[str, Any]], tmp_path: Path) -> None:
    assert {row["finding"] for row in run(films, tmp_path)} == {"mass", "pleural thickening"}
    points = tmp_path / "points.json"
    OperatingPoints({"effusion": 0.1, "pleural thickening": 0.9, "mass": 0.99}, "given", "0", 1).save(points)
    assert {row["finding"] for row in run(films, tmp_path, points=str(points))} == {"effusion"}
    OperatingPoints({"effusion": 0.99, "pleural thickening": 0.99, "mass": 0.99}, "given", "0", 1).save(points)
    rows = run(films, tmp_path, points=str(points))
    assert {row["finding"] for row in rows} == {"mass"}, "the most probable one in any case"


def test_the_network_sees_whole_batches_again(films: list[dict[str, Any]], tmp_path: Path) -> None:
    """What a memory noted of the last batch must be of all its films."""
    seen = []

    def watched(network: MeanOfPatches, x: torch.Tensor, **known: torch.Tensor) -> torch.Tensor:
        seen.append(known["sample_ids"].tolist())
        return shares(network, x, **known)

    run(films, tmp_path, contributions=watched, films=2, top=1)
    assert seen == [[100, 101], [102]]


def test_contributions_are_those_of_the_evaluated_network(films: list[dict[str, Any]], tmp_path: Path) -> None:
    """A fresh network is in training mode, and MONAI's evaluator goes back to it after the forward pass."""
    modes = []

    def watched(network: MeanOfPatches, x: torch.Tensor, **known: torch.Tensor) -> torch.Tensor:
        modes.append((network.training, torch.is_grad_enabled()))
        return shares(network, x, **known)

    run(films, tmp_path, contributions=watched, top=1)
    assert modes == [(False, True)] * 2


def test_findings_of_any_name_have_files_of_their_own(films: list[dict[str, Any]], tmp_path: Path) -> None:
    for names in (["积液", "肺炎", "结节"], ["mass +", "Mass -", "mass/"]):
        rows = run(films[:1], tmp_path, names=names)
        assert [row["finding"] for row in rows] == [names[2], names[1]]
        assert len({row["map"].casefold() for row in rows}) == 2
        assert float(np.load(tmp_path / "out" / rows[0]["map"]).max()) == pytest.approx(
            1.5 * float(np.load(tmp_path / "out" / rows[1]["map"]).max())
        )


def test_some_films_of_many(films: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = run(films, tmp_path, films=2, top=1)
    assert [row["sample_id"] for row in rows] == ["100", "102"]
    assert run(films, tmp_path, films=0) == []


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_a_film_without_its_record_is_named(films: list[dict[str, Any]], tmp_path: Path, content: str | None) -> None:
    record = tmp_path / "0.json"
    record.unlink() if content is None else record.write_text(content)
    with pytest.raises(ValueError, match="0.npy: .*record"):
        run(films, tmp_path)


def test_colours() -> None:
    film = np.full((1, 3), 0.5, np.float32)
    found = contribution_overlay(film, np.float32([[-2, 0, 1]]), 2.0)
    assert found[0, 1].tolist() == [128] * 3
    assert found[0, 0].argmax() == 2 and found[0, 2].argmax() == 0
    expected = 255 * (0.5 * 0.4 + 0.6 * np.array([0.17, 0.48, 0.71]))
    assert found[0, 0] == pytest.approx(expected, abs=1)
    assert (contribution_overlay(film, np.zeros((1, 3), np.float32), 0.0) == 128).all()
