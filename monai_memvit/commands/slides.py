"""The commands for whole slides."""

from __future__ import annotations

import argparse

from .words import Modalities, comma_separated, tell

__all__ = ["add_preparation", "add_simulation"]


def add_simulation(modalities: Modalities) -> None:
    """Add ``simulate slides``.

    Args:
        modalities: of the command.
    """
    parser = modalities.add_parser("slides", help="small H&E slides, some with a lesion of known place, as tiled TIFF")
    parser.add_argument("out", metavar="OUT", help="folder: new, empty, or of the same cohort, which is gone on with")
    parser.add_argument("--patients", type=int, default=24, metavar="N", help="default 24")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same bits; default 0")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(2048, 2048),
        metavar=("X", "Y"),
        help="pixels of level 0, default 2048 2048",
    )
    parser.add_argument("--lesion-share", type=float, default=0.01, metavar="F", help="of the tissue, default 0.01")
    parser.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    from monai_memvit.data.simulate import SlideSimulation, simulate_slides

    settings = SlideSimulation(size=tuple(options.size), lesion_share=options.lesion_share)
    path = simulate_slides(options.out, options.patients, options.seed, options=settings, progress=True)
    print(f"slides of {options.patients} simulated patients: {path}")
    return 0


def add_preparation(modalities: Modalities) -> None:
    """Add ``prepare slides``.

    Args:
        modalities: of the command.
    """
    parser = modalities.add_parser(
        "slides",
        help="whole slides: where the tissue is, as a grid of tiles at one scale, with flags of their quality",
        epilog="Exit code 3: done, but some slides were left out (see OUT/report.md). A killed run is taken up where "
        "it was. DICOM slides are folders of a series, or a file of it.",
    )
    parser.add_argument("source", metavar="SOURCE", help="folder of slides, or one slide")
    parser.add_argument("out", metavar="OUT", help="folder for the indexes, pictures, GeoJSON and reports")
    parser.add_argument("--name", help="name of the data set; default: that of SOURCE")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: one per core")
    _add_tiles(parser.add_argument_group("tiles"))
    labels = parser.add_argument_group("labels and splits")
    labels.add_argument(
        "--labels", metavar="CSV", help="of slide, label, and perhaps patient and split; for a datalist"
    )
    labels.add_argument("--class-names", type=comma_separated, metavar="A,B,…", help="classes in label order")
    labels.add_argument("--val-fraction", type=float, metavar="F", help="of the training patients, default 0.1")
    labels.add_argument("--test-fraction", type=float, metavar="F", help="of all patients, default 0.2")
    labels.add_argument("--seed", type=int, default=0, metavar="N", help="of splits that are drawn, default 0")
    parser.set_defaults(run=_prepare)


def _add_tiles(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--mpp-target", type=float, default=0.5, metavar="UM", help="µm per pixel, default 0.5")
    group.add_argument("--tile", type=int, default=256, metavar="PIXELS", help="rows and columns, default 256")
    group.add_argument("--overlap", type=int, default=0, metavar="PIXELS", help="of neighbours, default 0")
    group.add_argument("--min-tissue", type=float, default=0.25, metavar="F", help="share of a tile, default 0.25")
    group.add_argument("--mpp", type=float, metavar="UM", help="of slides that do not state theirs; default: an error")
    group.add_argument("--stain", choices=("he", "ihc", "fluorescence"), default="he", help="default he")
    group.add_argument("--partial", choices=("drop", "keep"), default="drop", help="tiles over the rim; default drop")
    group.add_argument("--check-focus", action="store_true", help="read each tile at its own scale and measure blur")


def _prepare(options: argparse.Namespace) -> int:
    from monai_memvit.data.slides import SlideOptions, TileOptions, prepare_slides

    tiles = TileOptions(
        options.mpp_target,
        options.tile,
        options.overlap,
        options.min_tissue,
        options.mpp,
        options.stain,
        options.partial,
        options.check_focus,
    )
    report = prepare_slides(
        options.source,
        options.out,
        SlideOptions(
            tiles,
            labels=options.labels,
            class_names=options.class_names,
            val_fraction=options.val_fraction,
            test_fraction=options.test_fraction,
            seed=options.seed,
            name=options.name,
        ),
        workers=options.workers,
        progress=True,
    )
    return tell(report, [f"left out: {problem}" for problem in report.problems])
