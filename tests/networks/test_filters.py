"""Filters from unlabelled tiles: what they answer to, and that nothing else is touched."""

from __future__ import annotations

import pytest
import torch

from monai_memvit.networks.blocks import TileFilterEmbedding
from monai_memvit.networks.filters import learn_filters


def slides(count: int) -> list[dict[str, torch.Tensor]]:
    """Noise, and in every second tile bright spots."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for _ in range(count):
        tiles = torch.randn(20, 3, 16, 16, generator=generator)
        tiles[::2, :, 4:8, 8:12] += 6
        found.append({"image": tiles})
    return found


def test_answers_begin_with_deviation_1_and_tokens_see_the_spots(seed: int) -> None:
    embedding, items = TileFilterEmbedding(3, 8, filters=12, filter_size=4), slides(6)
    learn_filters(embedding, items, seed=seed)
    tiles = torch.cat([item["image"] for item in items])
    with torch.no_grad():
        assert embedding.filters(tiles).std((0, 2, 3)) == pytest.approx(torch.ones(12).numpy(), abs=0.15)
        answers = embedding.answers(tiles)
        scaled = embedding.projection(answers)
    by_hand = (answers - answers.mean(0)) / answers.std(0)
    weights = embedding.projection.weight.detach() * answers.std(0)
    torch.testing.assert_close(scaled - scaled.mean(0), by_hand @ weights.mT, atol=1e-3, rtol=1e-3)
    spots, plain = answers[0::2].mean(0), answers[1::2].mean(0)
    assert ((spots - plain) / answers.std(0)).abs().max() > 1, "some filter tells tiles with a spot from those without"


def test_the_same_seed_gives_the_same_filters_whatever_else_was_drawn() -> None:
    first, second, other = (TileFilterEmbedding(3, 8, filters=6, filter_size=4) for _ in range(3))
    learn_filters(first, slides(4), seed=3)
    torch.rand(5)
    before = torch.random.get_rng_state()
    learn_filters(second, slides(4), seed=3)
    learn_filters(other, slides(4), seed=4)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.filters.weight, second.filters.weight)
    assert not torch.equal(first.filters.weight, other.filters.weight)


def test_only_some_slides_are_looked_at() -> None:
    class Counted(list[dict[str, torch.Tensor]]):
        seen: list[int] = []

        def __getitem__(self, position: int) -> dict[str, torch.Tensor]:  # type: ignore[override]
            self.seen.append(position)
            return super().__getitem__(position)

    items = Counted(slides(9))
    learn_filters(TileFilterEmbedding(3, 8, filters=4, filter_size=4), items, slides=3)
    assert sorted(set(items.seen)) == [0, 4, 8]


def test_no_slide_is_told() -> None:
    with pytest.raises(ValueError, match="filters are learned from slides"):
        learn_filters(TileFilterEmbedding(3, 8), [])
