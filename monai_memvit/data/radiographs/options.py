"""How a folder of chest films becomes a datalist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .film_pipeline import FilmPipeline
from .label_files.find import LabelOptions
from .label_files.views import VIEWS
from .policies import LabelPolicy

__all__ = ["RadiographOptions"]


@dataclass(frozen=True)
class RadiographOptions:
    """How a folder of films is read, labelled and split.

    Args:
        pipeline: what is done to every film.
        labels: which label files are read, and how; by default those found in the source, by their columns.
        findings: those of the datalist, in label order; None takes all of the label file, but for ``No Finding``.
        policy: for uncertain and missing labels.
        views: to take, some of ``PA``, ``AP``, ``LATERAL`` and ``FRONTAL`` (PA, AP, and frontal films not told apart);
            none takes all.
        patient_pattern: regular expression with one capture group that finds the patient in a film's path; by default
            the label file tells, else the DICOM header.
        val_fraction: share of the training patients to hold out as validation, default 0.1, where no split is given.
        test_fraction: share of all patients to hold out as test, default 0.2, where no split is given.
        seed: of the splits that are drawn.
        name: name of the data set; by default that of the source.
        max_bytes: that prepared films may take on disk; None for no limit.

    Raises:
        ValueError: for an unknown view.
    """

    pipeline: FilmPipeline = field(default_factory=FilmPipeline)
    labels: LabelOptions = field(default_factory=LabelOptions)
    findings: Sequence[str] | None = None
    policy: LabelPolicy = field(default_factory=LabelPolicy)
    views: Sequence[str] = ()
    patient_pattern: str | None = None
    val_fraction: float | None = None
    test_fraction: float | None = None
    seed: int = 0
    name: str | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        for view in self.views:
            if view not in VIEWS:
                raise ValueError(f"view {view!r} is unknown: take some of {', '.join(VIEWS)}")
