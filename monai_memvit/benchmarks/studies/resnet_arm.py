"""The convolutional network that the studies compare with."""

from __future__ import annotations

from typing import Any

from monai.networks.nets import ResNet
from torch import Tensor

__all__ = ["SmallResNet", "resnet_settings"]


class SmallResNet(ResNet):
    """MONAI's ResNet with one block per stage and half the usual width: 1.2 million parameters.

    Args:
        in_channels: C.
        num_classes: K.
        spare_stem: 3 x 3 without stride and pooling, for images of a few dozen pixels; otherwise 7 x 7, stride 2, and
            pooling.
    """

    def __init__(self, in_channels: int, num_classes: int, spare_stem: bool) -> None:
        size, stride = (3, 1) if spare_stem else (7, 2)
        super().__init__(
            "basic",
            [1, 1, 1, 1],
            [32, 64, 128, 256],
            spatial_dims=2,
            n_input_channels=in_channels,
            num_classes=num_classes,
            no_max_pool=spare_stem,
            conv1_t_size=size,
            conv1_t_stride=stride,
        )

    def forward(self, x: Tensor, *, channel_mask: Tensor | None = None, **_: Any) -> Tensor:
        """Classify.

        Args:
            x: images ``(B, C, H, W)``.
            channel_mask: ``(B, C)`` bool; channels that are not there count as zero.
            **_: what the bundles tell a network with a memory; ignored.

        Returns:
            logits ``(B, K)``.
        """
        return super().forward(x if channel_mask is None else x * channel_mask[:, :, None, None])


def resnet_settings(in_channels: str, spare_stem: bool) -> dict[str, Any]:
    """Settings of a bundle's ``train.yaml`` that put this network in the place of ours.

    Args:
        in_channels: the bundle's expression for C.
        spare_stem: see :class:`SmallResNet`.

    Returns:
        of ``network_def`` and ``memory_layers``.
    """
    network = {"in_channels": in_channels, "num_classes": "$len(@class_names)", "spare_stem": spare_stem}
    return {"network_def": {"_target_": f"{__name__}.SmallResNet", **network}, "memory_layers": []}
