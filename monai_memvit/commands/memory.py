"""The commands for a bundle's memory of cases that are added after training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .words import Modalities, comma_separated, json_value, tell

if TYPE_CHECKING:
    from monai_memvit.case_memories import BundleChoice, MemoryReport

__all__ = ["add_commands"]


def add_commands(commands: Modalities) -> None:
    """Add ``memory add`` and ``memory remove``.

    Args:
        commands: of the program.
    """
    parser = commands.add_parser("memory", help="add cases to a trained network, or remove them, without training")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_adding(actions)
    _add_removing(actions)


def _add_adding(actions: Modalities) -> None:
    parser = actions.add_parser(
        "add",
        help="take in labelled cases that the network was not trained on, and compare before and after",
        epilog="Exit code 3: done, but some cases were left out: unreadable ones, and images that the network was "
        "trained on, that are judged on, or that are given twice.",
    )
    _add_choice(parser)
    parser.add_argument("datalist", type=Path, metavar="DATALIST", help="datalist.json of the cases")
    _add_sections(parser)
    parser.add_argument(
        "--new-classes", type=comma_separated, default=[], metavar="A,B,…", help="that the network does not know"
    )
    parser.add_argument(
        "--without-training", action="store_true", help="begin a memory without the cases of the network's training"
    )
    parser.set_defaults(run=_add)


def _add_removing(actions: Modalities) -> None:
    parser = actions.add_parser("remove", help="forget cases as if they had never been added")
    _add_choice(parser)
    parser.add_argument("datalist", type=Path, nargs="?", metavar="DATALIST", help="datalist.json of the cases")
    _add_sections(parser)
    names = "by opaque number or, with a DATALIST, by readable key"
    parser.add_argument("--ids", type=comma_separated, default=[], metavar="A,B,…", help=f"cases, {names}")
    parser.add_argument("--groups", type=comma_separated, default=[], metavar="A,B,…", help=f"patients, {names}")
    parser.set_defaults(run=_remove)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a bundle's models/model.pt")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="default: the folder around that of CHECKPOINT")
    parser.add_argument(
        "--dataset-dir", type=Path, metavar="DIR", help="what the network was trained with; default: the bundle's"
    )
    parser.add_argument(
        "--override",
        action="append",
        default=[],
        type=json_value,
        metavar="KEY=JSON",
        help="of train.yaml, as in training: --override image_size=224",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write the figures, as JSON")


def _add_sections(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--section", default="training", metavar="NAME", help="of DATALIST, default training")
    parser.add_argument("--judge", metavar="NAME", help="section of DATALIST to judge on, default validation")


def _add(options: argparse.Namespace) -> int:
    from monai_memvit.case_memories import add_cases

    report = add_cases(
        _choice(options),
        options.datalist,
        options.section,
        options.judge,
        options.new_classes,
        not options.without_training,
    )
    return _finish(options, report)


def _remove(options: argparse.Namespace) -> int:
    from monai_memvit.case_memories import remove_cases

    report = remove_cases(
        _choice(options), options.datalist, options.section, options.judge, options.ids, options.groups
    )
    return _finish(options, report)


def _choice(options: argparse.Namespace) -> BundleChoice:
    from monai_memvit.case_memories import BundleChoice

    return BundleChoice(options.checkpoint, options.bundle, options.dataset_dir, dict(options.override))


def _finish(options: argparse.Namespace, report: MemoryReport) -> int:
    if options.report is not None:
        report.save(options.report)
    return tell(report, [case.message for case in report.left_out])
