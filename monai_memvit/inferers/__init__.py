"""How a network is run over one input, for MONAI's engines."""

from __future__ import annotations

from .streamed_slide_inferer import StreamedSlideInferer

__all__ = ["StreamedSlideInferer"]
