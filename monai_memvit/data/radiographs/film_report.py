"""Counting what a set of films holds, and what can be guessed from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..datalist import SECTIONS, Datalist
from .duplicates import FilmPair
from .film_facts import device_of, film_cues, size_of
from .gather import FoundSet
from .label_files.film_labels import MISSING, UNCERTAIN
from .prepared_film import PreparedFilm
from .report import RadiographReport, TwinFilms
from .shortcuts import FindingShortcuts, cue_shortcuts, pixel_shortcuts

__all__ = ["report_films"]


def report_films(
    datalist: Datalist,
    path: Path,
    found: FoundSet,
    films: Sequence[PreparedFilm],
    sections: Sequence[str],
    pairs: Sequence[FilmPair],
    dropped: Mapping[int, int],
) -> RadiographReport:
    """Put together what is known of a set.

    Args:
        datalist: of the set.
        path: where the datalist will be.
        found: the label file, and what was left out.
        films: all that were prepared.
        sections: of the films.
        pairs: of the films that show the same.
        dropped: positions of the films that are not in the datalist.
    """
    kept = [number for number in range(len(films)) if number not in dropped]
    in_list, their_sections = [films[number] for number in kept], [sections[number] for number in kept]
    names = found.findings
    return RadiographReport(
        datalist=path,
        name=datalist.name,
        label_kind=found.table.kind,
        label_files=[file.name for file in found.table.paths],
        class_names=names,
        fingerprint=datalist.fingerprint,
        films={section: len(items) for section, items in datalist.sections.items()},
        patients={section: len({item["group_id"] for item in items}) for section, items in datalist.sections.items()},
        counts={
            section: _counts([item["labels"] for item in items], names) for section, items in datalist.sections.items()
        },
        uncertain=_raw(in_list, found, UNCERTAIN),
        missing=_raw(in_list, found, MISSING),
        unlabelled=sum(set(film.found.labels) == {-1} for film in in_list),
        views={
            name: dict(Counter(film.view for film, section in zip(in_list, their_sections) if section == name))
            for name in SECTIONS
        },
        devices=dict(Counter(device_of(film.record) for film in in_list).most_common()),
        sizes=dict(Counter("{}x{}".format(*size_of(film.record)) for film in in_list).most_common()),
        twins=[_twins(pair, films, sections, dropped) for pair in pairs],
        shortcuts=_shortcuts(in_list, their_sections, names),
        other_views=dict(found.other_views),
        notes=found.notes,
        problems=found.problems,
    )


def _counts(labels: Sequence[Sequence[int]], names: Sequence[str]) -> dict[str, dict[str, int]]:
    words = {"present": 1, "absent": 0, "unknown": -1}
    columns = list(zip(*labels)) if labels else [()] * len(names)
    return {
        name: {word: column.count(value) for word, value in words.items()}
        for name, column in zip(names, columns, strict=True)
    }


def _raw(films: Sequence[PreparedFilm], found: FoundSet, value: int) -> dict[str, int]:
    places = [(name, found.table.findings.index(name)) for name in found.findings]
    return {name: sum(film.found.told.labels[place] == value for film in films) for name, place in places}


def _twins(
    pair: FilmPair, films: Sequence[PreparedFilm], sections: Sequence[str], dropped: Mapping[int, int]
) -> TwinFilms:
    first, second = films[pair.first].found, films[pair.second].found
    gone = [films[number].found.told.key for number in (pair.first, pair.second) if number in dropped]
    return TwinFilms(
        first=first.told.key,
        second=second.told.key,
        exact=pair.exact,
        likeness=pair.likeness,
        same_patient=first.patient == second.patient,
        same_labels=first.labels == second.labels,
        sections=(sections[pair.first], sections[pair.second]),
        left_out=", ".join(gone),
    )


def _shortcuts(
    films: Sequence[PreparedFilm], sections: Sequence[str], names: Sequence[str]
) -> dict[str, FindingShortcuts]:
    labels = np.array([film.found.labels for film in films])
    cues = [film_cues(film.record, film.view, film.found.path.suffix, film.look) for film in films]
    by_cue = cue_shortcuts(cues, labels, [film.found.patient for film in films])
    by_pixel = pixel_shortcuts(np.stack([film.look.thumbnail for film in films]), labels, sections)
    return {name: FindingShortcuts(cue, pixel) for name, cue, pixel in zip(names, by_cue, by_pixel, strict=True)}
