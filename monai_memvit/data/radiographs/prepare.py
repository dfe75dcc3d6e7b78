"""The whole way from a folder of chest films and a label file to a multi-label datalist."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_write_json, atomic_write_text
from ..datalist import SECTIONS, Datalist
from ..fingerprint import content_fingerprint
from ..identity import IDENTITY_FILE, IdentityKey, id_map
from .duplicates import films_to_drop, find_pairs
from .film_cache import FILMS, CachedFilm, FilmProblem, cache_films, remove_stale_films
from .film_facts import pixel_hash_of, view_of
from .film_report import report_films
from .film_sections import film_sections
from .gather import FoundSet, find_films
from .label_files.film_labels import LeftOutFilm
from .label_files.views import view_matches
from .options import RadiographOptions
from .pipeline_file import save_film_pipeline
from .prepared_film import PreparedFilm
from .report import RadiographReport
from .report_page import report_page
from .thumbnails import film_looks

__all__ = ["RadiographOptions", "prepare_radiographs"]


def prepare_radiographs(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: RadiographOptions | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> RadiographReport:
    """Find the film of every label, bring it to display values, check the set as a careful person would, and split it.

    Into ``out`` go ``datalist.json``, the prepared films, ``pipeline.json`` (to do the same to new films),
    ``report.json``, ``report.md`` and ``identity.key``. Films that cannot be used are reported and left out; so are
    those of training that the validation or test section shows too. What is done is kept: a killed run is taken up
    where it was. One process at a time prepares into a folder.

    Args:
        source: folder of films and label files.
        out: folder; made where absent.
        options: how to read, label and split; by default :class:`RadiographOptions`.
        workers: processes; by default one per core, 0 for none but this one. The result does not depend on them.
        progress: whether to show bars on stderr.

    Returns:
        What was written and what was left out.

    Raises:
        ValueError: where the set as a whole cannot be used; an older datalist then stays.
    """
    source, out, options = Path(source), Path(out), options or RadiographOptions()
    _check_places(source, out)
    found = find_films(source, options, progress)
    _require_any(found.films, found, source)
    film_sections(found.films, options)  # what cannot be split is told before hours of reading
    paths = [film.path for film in found.films]
    cached, failed = cache_films(paths, options.pipeline, out, workers, progress, options.max_bytes)
    _note_failures(found, failed)
    films = _looked_at(found, cached, options, workers, progress)
    _require_any(films, found, source)

    sections = film_sections([film.found for film in films], options)
    thumbnails = np.stack([film.look.thumbnail for film in films])
    pairs = find_pairs(thumbnails, [pixel_hash_of(film.record) for film in films])
    dropped = films_to_drop(pairs, sections)
    found.problems.extend(_shown_again(films[film], films[other], sections[other]) for film, other in dropped.items())
    datalist = _datalist(films, sections, dropped, found.findings, options, out, options.name or source.resolve().name)
    report = report_films(datalist, out / "datalist.json", found, films, sections, pairs, dropped)
    _write(report, datalist, options, out)
    remove_stale_films(out, [film.file for film in cached.values()])
    return report


def _check_places(source: Path, out: Path) -> None:
    if not source.is_dir():
        raise ValueError(f"{source} is no folder: give the folder of the films and their label file")
    if out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{out} lies inside {source}, where films are looked for: choose a folder elsewhere")
    if source.resolve().is_relative_to((out / FILMS).resolve()):
        raise ValueError(f"{source} is where {out} keeps prepared films: choose another folder for OUT")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: choose a folder")
    if (out / IDENTITY_FILE).exists():
        IdentityKey.load(out)


def _require_any(films: Sequence[Any], found: FoundSet, source: Path) -> None:
    if not films:
        causes = [str(problem) for problem in found.problems] or [f"views: {dict(found.other_views)}"]
        raise ValueError(f"{source}: no film can be used ({causes[0]}): mend the source or the options")


def _note_failures(found: FoundSet, failed: Sequence[FilmProblem]) -> None:
    causes = {problem.path: problem.cause for problem in failed}
    found.problems.extend(
        LeftOutFilm(film.told.key, film.told.where, causes[film.path]) for film in found.films if film.path in causes
    )


def _looked_at(
    found: FoundSet,
    cached: Mapping[Path, CachedFilm],
    options: RadiographOptions,
    workers: int | None,
    progress: bool,
) -> list[PreparedFilm]:
    """The prepared films of the views that are asked for; how many of others there are is noted in ``found``."""
    done = [(film, cached[film.path]) for film in found.films if film.path in cached]
    views = [view_of(prepared.record, film.told.view) for film, prepared in done]
    wanted = [not options.views or view_matches(view, options.views) for view in views]
    found.other_views.update(view for view, taken in zip(views, wanted) if not taken)
    kept = [(film, prepared, view) for (film, prepared), view, taken in zip(done, views, wanted) if taken]
    looks = film_looks([prepared.file for _, prepared, _ in kept], workers or None, progress)
    return [
        PreparedFilm(film, prepared.file, prepared.record, view, look)
        for (film, prepared, view), look in zip(kept, looks, strict=True)
    ]


def _shown_again(film: PreparedFilm, other: PreparedFilm, section: str) -> LeftOutFilm:
    whose = "the same" if film.found.patient == other.found.patient else "another"
    cause = f"{section} shows the same in {other.found.told.key}, of {whose} patient: look whether it is one patient"
    return LeftOutFilm(film.found.told.key, film.found.told.where, cause)


def _datalist(
    films: Sequence[PreparedFilm],
    sections: Sequence[str],
    dropped: Mapping[int, int],
    findings: list[str],
    options: RadiographOptions,
    out: Path,
    name: str,
) -> Datalist:
    identity = IdentityKey.load_or_create(out)
    kept = [(film, section) for number, (film, section) in enumerate(zip(films, sections)) if number not in dropped]
    by_section: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for film, section in kept:
        by_section[section].append(_item(film, identity, out))
    rows = [
        (film.found.told.key, film.found.patient, film.found.labels, section, pixel_hash_of(film.record))
        for film, section in kept
    ]
    datalist = Datalist(
        name=name,
        class_names=findings,
        num_channels=1,
        fingerprint=content_fingerprint(findings, rows),
        id_map=id_map(item["sample_id"] for items in by_section.values() for item in items),
        sections=by_section,
        pipeline=options.pipeline.digest(),
        multi_label=True,
    )
    datalist.validate(identity, origin=str(out))
    return datalist


def _item(film: PreparedFilm, identity: IdentityKey, out: Path) -> dict[str, Any]:
    key, patient = film.found.told.key, film.found.patient
    return {
        "image": Path(os.path.relpath(film.file, out)).as_posix(),
        "labels": list(film.found.labels),
        "sample_key": key,
        "group_key": patient,
        "sample_id": identity.identify(key),
        "group_id": identity.identify(patient),
    }


def _write(report: RadiographReport, datalist: Datalist, options: RadiographOptions, out: Path) -> None:
    atomic_write_json(out / "report.json", report.as_dict())
    atomic_write_text(out / "report.md", report_page(report))
    save_film_pipeline(options.pipeline, out)
    datalist.save(report.datalist)
