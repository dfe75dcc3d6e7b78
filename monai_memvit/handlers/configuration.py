"""The configuration of a bundle's run, as files, overlays and command line together made it."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from copy import deepcopy
from typing import Any

from monai.bundle import ConfigParser

__all__ = ["bundle_configuration"]


def bundle_configuration(omit: Collection[str] = ()) -> dict[str, Any]:
    """The configuration from which a bundle is building the caller: overlays and overrides are in it.

    MONAI keeps the merged configuration in its parser and hands it to nobody; only ``bundle run --tracking`` writes it
    to a file. The parser stands among the callers of every constructor that it runs, and is taken from there.

    Args:
        omit: top-level entries to leave out.

    Returns:
        the configuration, expressions and references as they were written; empty outside of a bundle.
    """
    frame = inspect.currentframe()
    while frame is not None:
        parser = frame.f_locals.get("self")
        if isinstance(parser, ConfigParser):
            return {name: deepcopy(value) for name, value in parser.get().items() if name not in omit}
        frame = frame.f_back
    return {}
