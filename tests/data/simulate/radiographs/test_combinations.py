"""Which combinations there are."""

from __future__ import annotations

from itertools import product

from monai_memvit.data.simulate.radiographs import film_combinations
from monai_memvit.data.simulate.radiographs.combinations import DEPTHS, RESCALES, SYNTAXES


def test_every_combination_is_there_once() -> None:
    names = [combination.name for combination in film_combinations()]
    assert len(names) == len(set(names)) == 1818


def test_the_pixel_stages_are_there_in_full() -> None:
    names = {combination.name for combination in film_combinations()}
    polarities = ("mono1", "mono2", "mono1inverse", "mono2identity")
    for polarity, depth, modality in product(polarities, DEPTHS, [*RESCALES, "table16"]):
        for voi in ("none", "linear", "exact", "sigmoid", "two"):
            assert f"explicit_{depth}_{polarity}_m-{modality}_v-{voi}" in names


def test_every_syntax_has_both_polarities_and_the_depths_it_can_hold() -> None:
    for syntax in SYNTAXES:
        found = {(one.depth, one.polarity) for one in film_combinations() if one.syntax == syntax}
        depths = ["u8"] if syntax == "jpeg" else list(DEPTHS)
        assert set(product(depths, ("mono1", "mono2"))) <= found
        assert {depth for depth, _ in found} == set(depths)


def test_a_table_is_not_put_behind_a_rescale_that_gives_fractions() -> None:
    for combination in film_combinations():
        assert not (combination.modality in ("slope", "falling") and combination.voi.startswith("table"))
