"""The projection of a film in one word, whoever wrote it."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["VIEWS", "one_view", "view_matches"]

VIEWS = ("PA", "AP", "LATERAL", "FRONTAL")
_SAME = {"LL": "LATERAL", "RL": "LATERAL", "LAT": "LATERAL", "L": "LATERAL"}
_SAME |= {"POSTEROANTERIOR": "PA", "POSTERO-ANTERIOR": "PA", "ANTEROPOSTERIOR": "AP", "ANTERO-POSTERIOR": "AP"}
_SAME |= {"AP SUPINE": "AP", "AP ERECT": "AP", "AP PORTABLE": "AP"}


def one_view(text: str) -> str:
    """Return ``PA``, ``AP``, ``LATERAL`` or ``FRONTAL`` for their usual names, any other word in capitals.

    Args:
        text: as a label file or DICOM's View Position (0018,5101) has it; empty where unknown.
    """
    word = " ".join(text.upper().split())
    return _SAME.get(word, word)


def view_matches(view: str, wanted: Collection[str]) -> bool:
    """Whether a film's view is one of those wanted; a film that is only known as frontal counts as ``FRONTAL``.

    Args:
        view: of the film, as :func:`one_view` gives it.
        wanted: some of ``VIEWS``; ``FRONTAL`` takes PA and AP too.
    """
    return view in wanted or ("FRONTAL" in wanted and view in ("PA", "AP"))
