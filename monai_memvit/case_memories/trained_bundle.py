"""A bundle's network as it was trained, and the way images are prepared for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data import Datalist, load_class_names
from ..handlers.checkpoints import load_safely
from ..handlers.weights_digest import weights_digest
from ..networks.consulting import ConsultingNetwork

__all__ = ["BundleChoice", "TrainedBundle", "load_trained_bundle"]

_OVERRIDES = "what was overridden in training as --override KEY=JSON"


@dataclass(frozen=True)
class BundleChoice:
    """Which network is meant.

    Args:
        checkpoint: its weights, such as a bundle's ``models/model.pt``; the case memory lies beside them.
        bundle: folder of the bundle; None takes the one that holds the folder of the checkpoint.
        dataset_dir: prepared folder it was trained with; None takes the bundle's own ``dataset_dir``.
        overrides: entries of ``train.yaml`` that were overridden in training.
    """

    checkpoint: Path
    bundle: Path | None = None
    dataset_dir: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def memory_path(self) -> Path:
        """Where the case memory lies."""
        return self.checkpoint.with_name("case_memory.pt")


@dataclass(frozen=True)
class TrainedBundle:
    """What is needed to look at cases as the bundle's evaluator does.

    Args:
        network: with its weights, beside an empty memory.
        preprocessing: MONAI ``Compose`` from an item of a datalist to the network's input.
        prepare_batch: from a batch to what the network takes.
        device: of the network.
        batch_size: for evaluation.
        datalist: path of the one it was trained with.
        home: that datalist.
        trained_on: items of the cases that the weights were fitted to.
        weights: digest of the checkpoint.
    """

    network: ConsultingNetwork
    preprocessing: Callable[[Any], Any]
    prepare_batch: Callable[..., tuple[Any, ...]]
    device: torch.device
    batch_size: int
    datalist: Path
    home: Datalist
    trained_on: list[dict[str, Any]]
    weights: str


def load_trained_bundle(choice: BundleChoice) -> TrainedBundle:
    """Build network and preparation from ``configs/train.yaml``, and load the weights.

    MONAI's tracking of metadata is switched off for the process, as the bundles do.

    Args:
        choice: which network.

    Returns:
        everything on the device that the bundle chooses.

    Raises:
        ValueError: when configuration, datalist or checkpoint is absent or damaged, the weights do not fit, or the
            network was trained for several findings per image.
    """
    from monai.data import set_track_meta

    set_track_meta(False)
    parser = _parser(choice)
    datalist = Path(parser.get_parsed_content("datalist"))
    home = Datalist.load(datalist)
    if home.multi_label:
        raise ValueError(f"{datalist} has several findings per image: a case memory takes cases of one class each.")
    network = _built_network(parser)
    _load_weights(network, choice.checkpoint)
    return TrainedBundle(
        network=ConsultingNetwork(network.eval(), class_names=load_class_names(datalist)),
        preprocessing=parser.get_parsed_content("validate::preprocessing"),
        prepare_batch=parser.get_parsed_content("prepare_batch"),
        device=parser.get_parsed_content("device"),
        batch_size=parser.get_parsed_content("validate::dataloader::batch_size"),
        datalist=datalist,
        home=home,
        trained_on=parser.get_parsed_content("train::dataset::data"),
        weights=weights_digest(choice.checkpoint),
    )


def _parser(choice: BundleChoice) -> Any:
    from monai.bundle import ConfigParser

    bundle = choice.bundle or choice.checkpoint.absolute().parent.parent
    config = bundle / "configs" / "train.yaml"
    if not choice.checkpoint.is_file():
        raise ValueError(f"{choice.checkpoint} does not exist: train the bundle, or name its models/model.pt.")
    if not config.is_file():
        raise ValueError(f"{config} does not exist: give the folder of the network's bundle as --bundle.")
    parser = ConfigParser()
    parser.read_config(str(config))
    parser.update({"bundle_root": str(bundle)} | dict(choice.overrides))
    # a bundle's own folders are meant from its root, where its commands run
    dataset_dir = choice.dataset_dir or bundle / str(parser.get_parsed_content("dataset_dir"))
    parser["dataset_dir"] = str(dataset_dir)
    return parser


def _built_network(parser: Any) -> nn.Module:
    try:
        network: nn.Module = parser.get_parsed_content("network")
    except RuntimeError as error:  # MONAI's, about a constructor that raised
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise ValueError(f"the configuration makes no network ({cause}): give {_OVERRIDES}.") from error
    return network


def _load_weights(network: nn.Module, checkpoint: Path) -> None:
    state = load_safely(checkpoint)
    try:
        network.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{checkpoint} does not fit the network of the configuration: give {_OVERRIDES}, and the data it was "
            f"trained with as --dataset-dir ({str(error).splitlines()[-1].strip()})."
        ) from None
