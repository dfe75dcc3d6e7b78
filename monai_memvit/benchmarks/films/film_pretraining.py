"""Masked pre-training within a study: on the training films without their labels, by the bundle for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ...data import atomic_write
from ..studies.study_runs import run_training, tested_figures, training_job

__all__ = ["encoder_path", "pretrain"]

_SHARED = ("preset", "image_size", "patch_size", "pool", "device", "num_workers", "cache_rate")
_REPORT = {"_target_": "monai_memvit.handlers.ReconstructionReport", "loss": "@loss", "prefix": ""}
_WARMUP = 20  # epochs to one of warm-up: 40 of 800, as published


def encoder_path(out: Path, seed: int) -> Path:
    """Where the weights of a pre-training lie.

    Args:
        out: the study's JSON lines.
        seed: of the run.

    Returns:
        in the folder ``<stem of out>_encoders`` beside them.
    """
    return out.with_name(f"{out.stem}_encoders") / f"{seed}.pt"


def pretrain(bundle: Path, data: Path, run: dict[str, Any], path: Path) -> dict[str, float]:
    """Pre-train for one seed, and keep the weights of the last epoch.

    What the classifier's overrides say of the network, the device and the loading holds here too.

    Args:
        bundle: folder of the pre-training bundle.
        data: prepared folder of films.
        run: ``seed``, ``section``, ``pretrain_epochs``, ``overrides`` of the classifier and ``pretrain_overrides``.
        path: of the weights.

    Returns:
        ``loss`` and ``explained`` on the tested section, whose films train nothing and choose nothing.
    """
    epochs = run["pretrain_epochs"]
    settings = {"dataset_dir": str(data), "bundle_root": str(bundle), "seed": run["seed"]}
    settings |= {"max_epochs": epochs, "warmup_epochs": max(1, epochs // _WARMUP)}
    settings |= {name: value for name, value in run["overrides"].items() if name in _SHARED}
    parser = training_job(bundle, run["section"], settings | run["pretrain_overrides"], [_REPORT])
    network = parser.get_parsed_content("network")  # first of all: data loaders draw random numbers too
    run_training(parser)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        torch.save(network.state_dict(), file)
    return tested_figures(parser)
