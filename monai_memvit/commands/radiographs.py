"""The commands for chest films."""

from __future__ import annotations

import argparse

from .words import Modalities, comma_separated, named_value, positive_number, refuse_idle, tell

__all__ = ["add_preparation", "add_simulation"]


def add_simulation(modalities: Modalities) -> None:
    """Add ``simulate radiographs``.

    Args:
        modalities: of the command.
    """
    parser = modalities.add_parser(
        "radiographs", help="chest films with known findings, or every way of writing a film as DICOM"
    )
    parser.add_argument("out", metavar="OUT", help="folder: new, empty, or of the same cohort, which is gone on with")
    parser.add_argument("--patients", type=int, default=24, metavar="N", help="default 24")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same bits; default 0")
    parser.add_argument("--format", choices=("dicom", "png"), default="dicom", help="default dicom")
    parser.add_argument("--size", type=int, default=1024, metavar="PIXELS", help="of the longer side, default 1024")
    parser.add_argument("--films", type=int, default=2, metavar="N", help="most of a patient, default 2")
    parser.add_argument("--prevalence", type=float, default=0.3, metavar="P", help="of each finding, default 0.3")
    parser.add_argument("--uncertain", type=float, default=0.0, metavar="F", help="share of labels -1, default 0")
    parser.add_argument("--blank", type=float, default=0.0, metavar="F", help="share of labels left blank, default 0")
    parser.add_argument(
        "--shortcut",
        type=float,
        default=0.0,
        metavar="F",
        help="share of the findings that one scanner tells, default 0",
    )
    parser.add_argument(
        "--combinations",
        action="store_true",
        help="instead: a small film for every photometric interpretation, modality and VOI stage, depth and transfer "
        "syntax, with its expected display values",
    )
    parser.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    from monai_memvit.data.simulate import RadiographSimulation, simulate_film_combinations, simulate_radiographs

    if options.combinations:
        read = ("out", "seed", "combinations", "run")
        refuse_idle(options, add_simulation, ["radiographs", options.out], read, "--combinations makes no patients")
        path = simulate_film_combinations(options.out, seed=options.seed, progress=True)
        print(f"{len(list(path.glob('*.dcm')))} films, one per combination: {path}")
        return 0
    settings = RadiographSimulation(
        size=options.size,
        films=options.films,
        prevalence=options.prevalence,
        uncertain=options.uncertain,
        blank=options.blank,
        shortcut=options.shortcut,
    )
    path = simulate_radiographs(
        options.out, options.patients, options.seed, options.format, options=settings, progress=True
    )
    print(f"films of {options.patients} simulated patients: {path}")
    return 0


def add_preparation(modalities: Modalities) -> None:
    """Add ``prepare radiographs``.

    Args:
        modalities: of the command.
    """
    parser = modalities.add_parser(
        "radiographs",
        help="chest films as DICOM, PNG or JPEG: display values, multi-label datalist, checks for copies and shortcuts",
        epilog="Exit code 3: done, but some films were left out (see OUT/report.md). A killed run is taken up where it "
        "was. NIH, CheXpert, MIMIC-CXR-JPG, VinDr-CXR and RSNA label files are recognised by their columns.",
    )
    parser.add_argument("source", metavar="SOURCE", help="folder of films and label files")
    parser.add_argument("out", metavar="OUT", help="folder for films, datalist.json, reports and identity.key")
    parser.add_argument("--name", help="name of the data set; default: that of SOURCE")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: one per core")
    _add_display(parser.add_argument_group("what is done to films"))
    _add_labels(parser.add_argument_group("labels"))
    splits = parser.add_argument_group("splits")
    splits.add_argument("--patient-pattern", metavar="REGEX", help="its one capture group is the patient in a path")
    splits.add_argument("--val-fraction", type=float, metavar="F", help="of the training patients, default 0.1")
    splits.add_argument("--test-fraction", type=float, metavar="F", help="of all patients, default 0.2")
    splits.add_argument("--seed", type=int, default=0, metavar="N", help="of splits that are drawn, default 0")
    parser.set_defaults(run=_prepare)


def _add_display(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--size", type=int, default=1024, metavar="PIXELS", help="rows and columns, default 1024")
    group.add_argument("--bits", type=int, choices=(8, 16), default=8, help="of a stored value, default 8")
    group.add_argument("--no-crop-border", action="store_true", help="keep black and white frames")
    group.add_argument(
        "--window",
        default="0",
        metavar="WHICH",
        help="number or explanation of the window, or lut; default 0, or the LUT",
    )
    group.add_argument("--modalities", type=comma_separated, metavar="A,B,…", help="of DICOM files, default CR,DX,RG")
    group.add_argument("--views", type=comma_separated, default=[], metavar="A,B,…", help="PA, AP, LATERAL, FRONTAL")
    group.add_argument(
        "--max-gb", type=positive_number, metavar="GB", help="of prepared films, at most; default no limit"
    )


def _add_labels(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--labels",
        type=comma_separated,
        default=[],
        metavar="CSV,…",
        help="label files; default: found by their columns",
    )
    group.add_argument("--unlabelled", action="store_true", help="no labels at all: films for pre-training")
    group.add_argument(
        "--findings", type=comma_separated, metavar="A,B,…", help="to learn, in label order; default all"
    )
    group.add_argument("--uncertain", default="ignore", metavar="POLICY", help="ignore (default), zeros or ones")
    group.add_argument(
        "--uncertain-of",
        action="append",
        default=[],
        type=named_value,
        metavar="NAME=POLICY",
        help="for one finding",
    )
    group.add_argument("--missing", default="ignore", metavar="POLICY", help="ignore (default) or zeros")
    group.add_argument(
        "--vote", default="majority", metavar="HOW", help="of VinDr-CXR readers: majority (default), any"
    )
    for name in ("file", "patient", "split", "view"):
        group.add_argument(f"--{name}-column", default="", metavar="NAME", help=f"of any CSV: the {name}")
    group.add_argument(
        "--label-columns", type=comma_separated, default=[], metavar="A,B,…", help="of any CSV: the findings"
    )


def _prepare(options: argparse.Namespace) -> int:
    from monai_memvit.data.radiographs import (
        CsvColumns,
        FilmPipeline,
        LabelOptions,
        LabelPolicy,
        RadiographOptions,
        prepare_radiographs,
    )

    usual = FilmPipeline()
    pipeline = FilmPipeline(
        size=options.size,
        crop_border=not options.no_crop_border,
        bits=options.bits,
        window=int(options.window) if options.window.isdigit() else options.window,
        modalities=usual.modalities if options.modalities is None else tuple(options.modalities),
    )
    columns = CsvColumns(
        options.file_column, options.patient_column, options.split_column, options.view_column, options.label_columns
    )
    report = prepare_radiographs(
        options.source,
        options.out,
        RadiographOptions(
            pipeline=pipeline,
            labels=LabelOptions(options.labels, columns, options.vote, options.unlabelled),
            findings=options.findings,
            policy=LabelPolicy(options.uncertain, options.missing, dict(options.uncertain_of)),
            views=options.views,
            patient_pattern=options.patient_pattern,
            val_fraction=options.val_fraction,
            test_fraction=options.test_fraction,
            seed=options.seed,
            name=options.name,
            max_bytes=None if options.max_gb is None else int(options.max_gb * 1e9),
        ),
        workers=options.workers,
        progress=True,
    )
    return tell(report, report.left_out())
