"""The commands for MRI studies."""

from __future__ import annotations

import argparse

from .words import Modalities, comma_separated, named_value, refuse_idle, tell

__all__ = ["add_preparation", "add_simulation"]


def add_simulation(modalities: Modalities) -> None:
    """Add ``simulate mri``.

    Args:
        modalities: of the command.
    """
    parser = modalities.add_parser("mri", help="heads with gliomas in five sequences, as NIfTI files or DICOM studies")
    parser.add_argument("out", metavar="OUT", help="folder: new, empty, or of the same cohort, which is gone on with")
    parser.add_argument("--patients", type=int, default=24, metavar="N", help="default 24")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same bits; default 0")
    parser.add_argument("--format", choices=("nifti", "dicom"), default="nifti", help="default nifti")
    parser.add_argument("--missing", type=float, default=0.0, metavar="P", help="probability per sequence, default 0")
    parser.add_argument("--size", default="small", metavar="NAME", help="small (default), clinical or full")
    parser.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    from monai_memvit.data.simulate import MriSimulation, simulate_mri

    settings = MriSimulation(size=options.size, missing=options.missing)
    path = simulate_mri(options.out, options.patients, options.seed, options.format, options=settings, progress=True)
    print(f"{options.patients} simulated patients: {path}")
    return 0


def add_preparation(modalities: Modalities) -> None:
    """Add ``prepare mri``.

    Args:
        modalities: of the command.
    """
    parser = modalities.add_parser(
        "mri",
        help="MRI studies as DICOM, BIDS or NIfTI: sequences by name, registered, normalised, as labelled slices",
        epilog="Exit code 3: done, but some cases or labels were left out (see OUT/report.md). A killed run is taken "
        "up where it was. Labels come from tumour masks, or from a CSV with the columns case, slice, label and perhaps "
        "split; slices count from 0, axial ones from the feet up.",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="folder of studies, a CSV of their files, or an .npz of slices"
    )
    parser.add_argument("out", metavar="OUT", help="folder for cases, datalist.json, reports and identity.key")
    parser.add_argument("--name", help="name of the data set; default: that of SOURCE")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: one per core")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of splits and registration, default 0")
    _add_finding(parser.add_argument_group("finding sequences"))
    _add_pipeline(parser.add_argument_group("what is done to them"))
    labels = parser.add_argument_group("labels and splits")
    labels.add_argument("--labels", metavar="CSV", help="of case, slice, label (and split), or of case and split")
    labels.add_argument(
        "--class-names", type=comma_separated, metavar="A,B,…", help="label order; default normal,tumour"
    )
    labels.add_argument("--min-area", type=float, default=50.0, metavar="MM2", help="of tumour in a slice, default 50")
    labels.add_argument("--val-fraction", type=float, metavar="F", help="of the training patients, default 0.1")
    labels.add_argument("--test-fraction", type=float, metavar="F", help="of all patients, default 0.2")
    parser.set_defaults(run=_prepare)


def _add_finding(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sequences", type=comma_separated, metavar="A,B,…", help="default t1,t2,flair,t1gd,apt; of an npz: needed"
    )
    group.add_argument(
        "--required", type=comma_separated, metavar="A,B,…", help="a case without is left out; default: reference"
    )
    group.add_argument(
        "--map",
        action="append",
        default=[],
        type=named_value,
        metavar="NAME=REGEX",
        help="sequence by description or path",
    )
    group.add_argument("--patient-pattern", metavar="REGEX", help="its one capture group is the patient in a path")


def _add_pipeline(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--reference", default="t1gd", metavar="NAME", help="all are registered to it; default t1gd")
    group.add_argument("--register", choices=("rigid", "affine", "none"), default="rigid", help="default rigid")
    group.add_argument(
        "--same-grid",
        choices=("keep", "test", "register"),
        default="test",
        help="a sequence on the reference's grid is kept, registered, or (default) registered if that is better",
    )
    group.add_argument(
        "--brain-mask", default="", metavar="MODULE:FUNCTION", help="finds the brain, such as a call of HD-BET"
    )
    group.add_argument(
        "--on-failure", choices=("raise", "flag"), default="raise", help="leave the case out, or flag it"
    )
    group.add_argument("--bias-field", action="store_true", help="correct it by N4")
    group.add_argument("--size", type=int, default=256, metavar="PIXELS", help="rows and columns, default 256")
    group.add_argument("--spacing", type=float, default=1.0, metavar="MM", help="of pixels, default 1")
    group.add_argument(
        "--min-brain-share", type=float, default=0.1, metavar="F", help="of the fullest slice, default 0.1"
    )
    group.add_argument(
        "--empty-tumour-mask", choices=("raise", "normal"), default="raise", help="leave the case out (default), or not"
    )


# What `prepare mri` reads for an archive of finished slices; the other options say how to make slices.
_FOR_ARCHIVES = "source out name sequences class_names val_fraction test_fraction seed workers run".split()


def _prepare(options: argparse.Namespace) -> int:
    return _prepare_slices(options) if options.source.endswith(".npz") else _prepare_studies(options)


def _prepare_studies(options: argparse.Namespace) -> int:
    from monai_memvit.data.mri import SEQUENCES, FindOptions, MriOptions, MriPipeline, prepare_mri

    sequences = tuple(options.sequences or SEQUENCES)
    pipeline = MriPipeline(
        sequences=sequences,
        reference=options.reference,
        kind=options.register,
        on_failure=options.on_failure,
        same_grid=options.same_grid,
        brain_mask=options.brain_mask,
        bias_field=options.bias_field,
        size=options.size,
        spacing_mm=options.spacing,
        min_brain_share=options.min_brain_share,
        empty_tumour_mask=options.empty_tumour_mask,
        seed=options.seed,
    )
    required = tuple(options.required or [options.reference])
    report = prepare_mri(
        options.source,
        options.out,
        MriOptions(
            pipeline=pipeline,
            find=FindOptions(sequences, required, dict(options.map), options.patient_pattern),
            labels=options.labels,
            class_names=options.class_names or ["normal", "tumour"],
            min_area_mm2=options.min_area,
            val_fraction=options.val_fraction,
            test_fraction=options.test_fraction,
            seed=options.seed,
            name=options.name,
        ),
        workers=options.workers,
        progress=True,
    )
    return tell(report, [f"left out: {problem}" for problem in report.problems])


def _prepare_slices(options: argparse.Namespace) -> int:
    from monai_memvit.data.mri import SliceArchiveOptions, prepare_slice_archive

    if not options.sequences:
        raise ValueError(f"{options.source}: name its channels in their order, such as --sequences t1,flair,t1gd")
    why = f"{options.source} holds slices that are finished"
    refuse_idle(options, add_preparation, ["mri", options.source, options.out], _FOR_ARCHIVES, why)
    splits = {"val_fraction": options.val_fraction, "test_fraction": options.test_fraction, "seed": options.seed}
    names = SliceArchiveOptions(options.sequences, options.class_names, name=options.name, **splits)
    report = prepare_slice_archive(options.source, options.out, names, progress=True)
    return tell(report, [f"broken: {image.where}: {image.cause}" for image in report.broken])
