from __future__ import annotations

import logging
import warnings

import pytest

from monai_memvit.transforms.radiograph.quiet import quiet


def test_warnings_are_silent_inside_and_as_before_outside() -> None:
    log = logging.getLogger("pydicom")
    filters, propagate = list(warnings.filters), log.propagate
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("hidden", stacklevel=1)
            with quiet():
                warnings.warn("hidden too", stacklevel=1)
            warnings.warn("still hidden", stacklevel=1)
            assert not log.propagate
        warnings.warn("seen", stacklevel=1)
    assert [str(one.message) for one in caught] == ["seen"]
    assert warnings.filters == filters
    assert log.propagate == propagate


def test_overlapping_blocks_leave_nothing_silent() -> None:
    """As two threads: the first that enters is the first that leaves."""
    filters = list(warnings.filters)
    first, second = quiet(), quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert warnings.filters != filters
    second.__exit__(None, None, None)
    assert warnings.filters == filters


def test_an_error_inside_restores_too() -> None:
    filters = list(warnings.filters)
    with pytest.raises(KeyError), quiet():
        raise KeyError
    assert warnings.filters == filters
