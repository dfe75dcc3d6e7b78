"""The commands for histology patches."""

from __future__ import annotations

import argparse

from .words import Modalities, comma_separated, tell

__all__ = ["add_preparation", "add_simulation"]


def add_simulation(modalities: Modalities) -> None:
    """Add ``simulate patches``.

    Args:
        modalities: of the command.
    """
    parser = modalities.add_parser("patches", help="H&E-like patches around single cells, as an npz archive")
    parser.add_argument("out", metavar="OUT.npz")
    parser.add_argument("--patients", type=int, default=24, metavar="N", help="default 24")
    parser.add_argument("--patches-per-patient", type=int, default=60, metavar="N", help="default 60")
    parser.add_argument("--size", type=int, default=27, metavar="PIXELS", help="height and width, default 27")
    parser.add_argument("--classes", type=int, default=4, metavar="N", help="2 to 4 cell classes, default 4")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same bits; default 0")
    parser.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
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


def add_preparation(modalities: Modalities) -> None:
    """Add ``prepare patches``.

    Args:
        modalities: of the command.
    """
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
    parser.add_argument("--class-names", type=comma_separated, metavar="A,B,…", help="classes in label order")
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
    parser.set_defaults(run=_prepare)


def _prepare(options: argparse.Namespace) -> int:
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
    return tell(report, [f"broken: {image.where}: {image.cause}" for image in report.broken])
