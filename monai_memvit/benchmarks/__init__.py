"""Every claim of speed, memory or accuracy in docs/ is one of these: ``python -m monai_memvit benchmark …``."""

from __future__ import annotations

import argparse
from importlib import import_module

__all__ = ["register"]

# One module per benchmark, each with add_arguments(parser) and run_benchmark(args) -> exit code.
_BENCHMARKS = {
    "attention": ("attention.attention", "what attention costs as images grow, against its peers"),
    "case-memory": ("memory.case_memory_cost", "what cases cost that are added after training: time and bytes"),
    "case-study": ("cases.case_study", "what cases are worth that are added to a network after its training"),
    "few-labels": ("cases.few_labels_study", "what a memory of cases adds to a pre-trained network and few labels"),
    "film-study": ("films.film_study", "attentions, masked pre-training and a linear pixel model on chest films"),
    "memory": ("memory.memory", "what the memory costs: training step, inference and bytes"),
    "mri-study": ("mri.mri_study", "MoViT against the same network without memory on MRI slices, sequences missing"),
    "patches-study": ("patches.patches_study", "MoViT against the same network without memory on prepared patches"),
    "radiograph": ("films.radiograph", "whether chest films are shown as DICOM says, and how fast"),
    "registration": ("mri.registration", "how exactly and how fast MR sequences are co-registered"),
    "slides": ("slides.slides", "how fast tiles of a slide are read, and what its tissue mask costs"),
    "slide-study": ("slides.slide_study", "SlideViT against MONAI's MILModel on simulated slides with small lesions"),
    "slide-network": ("slides.slide_network", "what a slide of millions of tokens costs SlideViT: time and memory"),
}


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add every benchmark to a command line.

    Args:
        subparsers: of the command ``benchmark``; the parsed arguments then hold ``run``, to be called with them.
    """
    for command, (module_name, summary) in _BENCHMARKS.items():
        module = import_module(f".{module_name}", __name__)
        parser = subparsers.add_parser(command, help=summary, description=module.__doc__)
        module.add_arguments(parser)
        parser.set_defaults(run=module.run_benchmark)
