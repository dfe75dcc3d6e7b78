"""Which section every film is in, and which films leave theirs because another section shows them too."""

from __future__ import annotations

from collections.abc import Sequence

from ..patches.sections import assign_sections
from ..patches.source import PatchRecord
from ..strata import rarest_finding
from .gather import FoundFilm
from .options import RadiographOptions

__all__ = ["film_sections"]


def film_sections(films: Sequence[FoundFilm], options: RadiographOptions) -> list[str]:
    """Keep the splits of the label file, and draw in whole patients what it does not have.

    What is drawn is stratified by the rarest finding that a film shows; see
    :func:`monai_memvit.data.patches.sections.assign_sections` for what is drawn when.

    Args:
        films: with labels and patients.
        options: fractions and seed.

    Returns:
        ``training``, ``validation`` or ``test`` per film.

    Raises:
        ValueError: where a fraction has nothing to act upon, or there are too few patients.
    """
    strata = rarest_finding([film.labels for film in films]).tolist()
    records = [
        PatchRecord(film.told.key, film.patient, stratum, film.told.split, film.path, film.told.where)
        for film, stratum in zip(films, strata, strict=True)
    ]
    return assign_sections(records, options.val_fraction, options.test_fraction, options.seed)
