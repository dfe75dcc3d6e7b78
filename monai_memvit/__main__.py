"""The command line: ``python -m monai_memvit simulate | prepare | benchmark``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from monai_memvit import __version__

__all__ = ["main"]

# What a command needs is imported where it runs: help answers at once, and only benchmarks wait for torch and MONAI.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after the program's name; by default those of the process.

    Returns:
        Exit code: 0 done, 3 done but some files were left out, 2 not done (1 is Python's, for a crash).
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    namespace = _parser(with_benchmarks=words[:1] == ["benchmark"]).parse_args(words)
    try:
        return int(namespace.run(namespace) or 0)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser(with_benchmarks: bool) -> argparse.ArgumentParser:
    about = "Image classifiers with a memory of past cases."
    parser = argparse.ArgumentParser("python -m monai_memvit", description=about)
    parser.add_argument("--version", action="version", version=f"monai_memvit {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    simulate = commands.add_parser("simulate", help="make a cohort with known truth, without any patient")
    simulations = simulate.add_subparsers(title="modalities", required=True, metavar="MODALITY")
    _add_simulate_patches(simulations)
    _add_simulate_mri(simulations)
    prepare = commands.add_parser("prepare", help="check images and write a datalist")
    preparations = prepare.add_subparsers(title="modalities", required=True, metavar="MODALITY")
    _add_prepare_patches(preparations)
    _add_prepare_mri(preparations)
    benchmark = commands.add_parser("benchmark", help="measure speed and memory")
    if with_benchmarks:
        from monai_memvit.benchmarks import register

        register(benchmark.add_subparsers(title="benchmarks", required=True, metavar="BENCHMARK"))
    return parser


def _add_simulate_patches(modalities: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = modalities.add_parser("patches", help="H&E-like patches around single cells, as an npz archive")
    parser.add_argument("out", metavar="OUT.npz")
    parser.add_argument("--patients", type=int, default=24, metavar="N", help="default 24")
    parser.add_argument("--patches-per-patient", type=int, default=60, metavar="N", help="default 60")
    parser.add_argument("--size", type=int, default=27, metavar="PIXELS", help="height and width, default 27")
    parser.add_argument("--classes", type=int, default=4, metavar="N", help="2 to 4 cell classes, default 4")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same bits; default 0")
    parser.set_defaults(run=_simulate_patches)


def _simulate_patches(options: argparse.Namespace) -> int:
    from monai_memvit.data.simulate import simulate_patches

    path = simulate_patches(
        options.out,
        patients=options.patients,
        patches_per_patient=options.patches_per_patient,
        size=options.size,
        classes=options.classes,
        seed=options.seed,
        progress=True,
    )
    print(f"{options.patients * options.patches_per_patient} simulated patches of {options.patients} patients: {path}")
    return 0


def _add_simulate_mri(modalities: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = modalities.add_parser("mri", help="heads with gliomas in five sequences, as NIfTI files or DICOM studies")
    parser.add_argument("out", metavar="OUT", help="folder: new, empty, or of the same cohort, which is gone on with")
    parser.add_argument("--patients", type=int, default=24, metavar="N", help="default 24")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same bits; default 0")
    parser.add_argument("--format", choices=("nifti", "dicom"), default="nifti", help="default nifti")
    parser.add_argument("--missing", type=float, default=0.0, metavar="P", help="probability per sequence, default 0")
    parser.add_argument("--size", default="small", metavar="NAME", help="small (default), clinical or full")
    parser.set_defaults(run=_simulate_mri)


def _simulate_mri(options: argparse.Namespace) -> int:
    from monai_memvit.data.simulate import MriSimulation, simulate_mri

    settings = MriSimulation(size=options.size, missing=options.missing)
    path = simulate_mri(options.out, options.patients, options.seed, options.format, options=settings, progress=True)
    print(f"{options.patients} simulated patients: {path}")
    return 0


def _add_prepare_patches(modalities: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = modalities.add_parser(
        "patches",
        help="histology patches: class-folder tree, MedMNIST npz, or npz of named arrays",
        epilog="Exit code 3: done, but some images are broken and were left out (see OUT/report.json). A source with "
        "train and val only: its val becomes the test section and validation is drawn from train, so that nothing is "
        "tuned on the patients it is judged by; --val-fraction 0 keeps val as validation.",
    )
    parser.add_argument("source", metavar="SOURCE", help="folder (NCT-CRC-HE-100K, train|val|test, or classes) or .npz")
    parser.add_argument("out", metavar="OUT", help="folder for datalist.json, report.json and identity.key")
    parser.add_argument("--name", help="name of the data set; default: that of SOURCE")
    parser.add_argument("--class-names", type=_names, metavar="A,B,…", help="classes in label order")
    parser.add_argument("--val-fraction", type=float, metavar="F", help="drawn from train by group, default 0.1")
    parser.add_argument("--test-fraction", type=float, metavar="F", help="where SOURCE has no split, default 0.2")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the splits that are drawn, default 0")
    parser.add_argument("--workers", type=int, metavar="N", help="threads; default: one per core, at most 8")
    folders = parser.add_argument_group("folder trees")
    folders.add_argument("--group-pattern", metavar="REGEX", help="its one capture group is the patient in a file name")
    arrays = parser.add_argument_group("npz of named arrays")
    arrays.add_argument("--image", default="image", metavar="NAME", help="array of pictures, default image")
    arrays.add_argument("--label", default="label", metavar="NAME", help="of classes, negative: unknown; default label")
    arrays.add_argument("--group", metavar="NAME", help="of patients; default: patient_id if there")
    arrays.add_argument("--split", metavar="NAME", help="of train, val, test; default: split if there")
    arrays.add_argument("--key", metavar="NAME", help="of names of the pictures; default: instance_id if there")
    parser.set_defaults(run=_prepare_patches)


def _prepare_patches(options: argparse.Namespace) -> int:
    from monai_memvit.data.patches import ArrayNames, PatchOptions, prepare_patches

    report = prepare_patches(
        options.source,
        options.out,
        PatchOptions(
            arrays=ArrayNames(options.image, options.label, options.group, options.split, options.key),
            class_names=options.class_names,
            group_pattern=options.group_pattern,
            val_fraction=options.val_fraction,
            test_fraction=options.test_fraction,
            seed=options.seed,
            name=options.name,
        ),
        workers=options.workers,
        progress=True,
    )
    return _tell(report, [f"broken: {image.where}: {image.cause}" for image in report.broken])


def _add_prepare_mri(modalities: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    _add_mri_finding(parser.add_argument_group("finding sequences"))
    _add_mri_pipeline(parser.add_argument_group("what is done to them"))
    labels = parser.add_argument_group("labels and splits")
    labels.add_argument("--labels", metavar="CSV", help="of case, slice, label (and split), or of case and split")
    labels.add_argument("--class-names", type=_names, metavar="A,B,…", help="label order; default normal,tumour")
    labels.add_argument("--min-area", type=float, default=50.0, metavar="MM2", help="of tumour in a slice, default 50")
    labels.add_argument("--val-fraction", type=float, metavar="F", help="of the training patients, default 0.1")
    labels.add_argument("--test-fraction", type=float, metavar="F", help="of all patients, default 0.2")
    parser.set_defaults(run=_prepare_mri)


def _add_mri_finding(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sequences", type=_names, metavar="A,B,…", help="default t1,t2,flair,t1gd,apt; of an npz: needed"
    )
    group.add_argument(
        "--required", type=_names, metavar="A,B,…", help="a case without is left out; default: reference"
    )
    group.add_argument(
        "--map", action="append", default=[], type=_mapped, metavar="NAME=REGEX", help="sequence by description or path"
    )
    group.add_argument("--patient-pattern", metavar="REGEX", help="its one capture group is the patient in a path")


def _add_mri_pipeline(group: argparse._ArgumentGroup) -> None:
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


def _prepare_mri(options: argparse.Namespace) -> int:
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
    return _tell(report, [f"left out: {problem}" for problem in report.problems])


def _prepare_slices(options: argparse.Namespace) -> int:
    from monai_memvit.data.mri import SliceArchiveOptions, prepare_slice_archive

    if not options.sequences:
        raise ValueError(f"{options.source}: name its channels in their order, such as --sequences t1,flair,t1gd")
    usual = vars(_parser(with_benchmarks=False).parse_args(["prepare", "mri", options.source, options.out]))
    idle = [name for name, value in vars(options).items() if name not in _FOR_ARCHIVES and value != usual[name]]
    if idle:
        words = ", ".join("--" + name.replace("_", "-") for name in idle)
        raise ValueError(f"{options.source} holds slices that are finished: {words} would do nothing, leave it out")
    splits = {"val_fraction": options.val_fraction, "test_fraction": options.test_fraction, "seed": options.seed}
    names = SliceArchiveOptions(options.sequences, options.class_names, name=options.name, **splits)
    report = prepare_slice_archive(options.source, options.out, names, progress=True)
    return _tell(report, [f"broken: {image.where}: {image.cause}" for image in report.broken])


def _tell(report: object, left_out: list[str]) -> int:
    """Print what was left out, then the report; the exit code says whether anything was."""
    for line in left_out:
        print(line, file=sys.stderr)
    print(report)
    return 3 if left_out else 0


def _mapped(text: str) -> tuple[str, str]:
    name, found, pattern = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} has no '=': give NAME=REGEX")
    return name, pattern


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
