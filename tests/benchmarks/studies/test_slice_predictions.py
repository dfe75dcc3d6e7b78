"""Predictions of slices: asked on the network's device, kept whole, found again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn as nn

from monai_memvit.benchmarks.studies.slice_predictions import (
    SlicePredictions,
    load_predictions,
    predict_slices,
    predictions_path,
    save_predictions,
)


def _batches(sizes=(3, 2)) -> list[dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    return [
        {
            "image": torch.rand(n, 2, 4, 4),
            "channel_mask": torch.rand(n, 2) > 0.3,
            "label": torch.arange(n),
            "group_id": torch.arange(n) + 2**60,
        }
        for n in sizes
    ]


class _Elsewhere(nn.Module):
    """Lives on a device without numbers; answers in half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, device="meta"))
        self.seen: list[tuple[str, str, bool]] = []

    def forward(self, x: torch.Tensor, channel_mask: torch.Tensor) -> torch.Tensor:
        self.seen.append((x.device.type, channel_mask.device.type, self.training))
        return torch.tensor([[0.0, 1.0]], dtype=torch.float16).expand(len(x), 2)


def test_images_and_masks_go_to_the_network():
    network = _Elsewhere().train()
    found = predict_slices(network, _batches())
    assert network.seen == [("meta", "meta", False)] * 2
    assert {column.device.type for column in found} == {"cpu"} and found.probabilities.dtype == torch.float32
    torch.testing.assert_close(found.probabilities, torch.tensor([0.0, 1.0]).softmax(-1).expand(5, 2))


def test_they_keep_the_order_of_the_batches():
    class Mean(_Elsewhere):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor, channel_mask: torch.Tensor) -> torch.Tensor:
            mean = (x.mean((2, 3)) * channel_mask).sum(1) * self.weight
            return torch.stack([mean, -mean], dim=1)

    batches = _batches()
    found, whole = predict_slices(Mean(), batches), predict_slices(Mean(), [_joined(batches)])
    assert all(torch.equal(a, b) for a, b in zip(found, whole))
    assert found.labels.tolist() == [0, 1, 2, 0, 1] and found.groups[0] == 2**60
    assert found.complete.tolist() == [row.all() for b in batches for row in b["channel_mask"]]
    assert not found.probabilities.requires_grad


def _joined(batches: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def test_a_file_gives_back_what_was_written(tmp_path):
    torch.manual_seed(1)
    whole = SlicePredictions(
        torch.rand(4, 3), torch.tensor([0, 1, 2, 0]), torch.tensor([7, 7, -(2**62), 8]), torch.rand(4) > 0.5
    )
    path = predictions_path(tmp_path / "study.jsonl", {"seed": 3, "arm": "MoViT, zeros"})
    save_predictions(path, whole)
    assert path == tmp_path / "study_predictions" / "3_MoViT_zeros.npz" and len(list(path.parent.iterdir())) == 1
    found = load_predictions(path)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(whole, found))


def test_runs_have_files_of_their_own():
    runs = [{"seed": s, "arm": a} for s in (0, 1) for a in ("a, b", "b, a")] + [{"arm": "a, b"}]
    runs += [{"seed": 0, "shift": s, "added": n, "arm": "a, b"} for s in ("none", "stain") for n in (5, 10)]
    assert len({predictions_path(Path("x.jsonl"), run) for run in runs}) == 9


def test_a_part_of_them():
    whole = SlicePredictions(torch.eye(3), torch.arange(3), torch.arange(3) + 5, torch.tensor([True, False, True]))
    part = whole.where(whole.complete)
    assert part.labels.tolist() == [0, 2] and part.groups.tolist() == [5, 7] and part.probabilities.shape == (2, 3)


def test_a_lost_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="0_plain.npz is missing"):
        load_predictions(tmp_path / "0_plain.npz")
