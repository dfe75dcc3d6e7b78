"""Which ways of writing a film there are: photometric, modality, values of interest, bits and transfer syntax."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

__all__ = ["DEPTHS", "POLARITIES", "RESCALES", "SYNTAXES", "FilmCombination", "film_combinations"]

# name -> transfer syntax UID (PS3.5 annex A)
SYNTAXES = {
    "explicit": "1.2.840.10008.1.2.1",
    "implicit": "1.2.840.10008.1.2",
    "bigendian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg": "1.2.840.10008.1.2.4.50",
    "jpeglossless": "1.2.840.10008.1.2.4.70",
    "jpegls": "1.2.840.10008.1.2.4.80",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
}
# name -> PhotometricInterpretation and PresentationLUTShape. The last two contradict themselves, and are met.
POLARITIES = {
    "mono1": ("MONOCHROME1", None),
    "mono2": ("MONOCHROME2", None),
    "mono1inverse": ("MONOCHROME1", "INVERSE"),
    "mono2identity": ("MONOCHROME2", "IDENTITY"),
    "mono1identity": ("MONOCHROME1", "IDENTITY"),
    "mono2inverse": ("MONOCHROME2", "INVERSE"),
}
_VALID = tuple(POLARITIES)[:4]
# name -> BitsAllocated, BitsStored, PixelRepresentation
DEPTHS = {
    "u8": (8, 8, 0),
    "u10": (16, 10, 0),
    "u12": (16, 12, 0),
    "u14": (16, 14, 0),
    "u16": (16, 16, 0),
    "s12": (16, 12, 1),
    "s16": (16, 16, 1),
}
# name -> RescaleSlope and RescaleIntercept; None: neither
RESCALES = {
    "none": None,
    "intercept": (1.0, -1024.0),
    "whole": (2.0, -100.0),
    "slope": (2.5, -300.25),
    "falling": (-1.5, 2000.0),
}
_MODALITIES = (*RESCALES, "table16")
_VOIS = ("none", "linear", "exact", "sigmoid", "two", "table8", "table12", "table16")
# A table takes whole numbers: it is not put behind a rescale that gives others.
_FRACTIONAL = ("slope", "falling")
_FEW_VOIS = ("none", "linear", "table16")
_EXTRAS = ("padding", "paddingrange", "paddingwhite", "highbits")


@dataclass(frozen=True)
class FilmCombination:
    """One way of writing a film.

    Args:
        polarity: of ``POLARITIES``.
        modality: of ``RESCALES``, ``table8`` or ``table16``.
        voi: none, linear, exact, sigmoid, two (windows), stepped (a window of width 1), or a table: table8, table12,
            table16, words8 (8 bits in 16-bit words), odd8 (an odd number of entries), partial16 (its entries leave out
            both ends of the range), tablewindow (a table and a window).
        depth: of ``DEPTHS``.
        syntax: of ``SYNTAXES``.
        extra: empty, padding, paddingrange, paddingwhite, or highbits (strange bits above the stored ones).
    """

    polarity: str
    modality: str = "none"
    voi: str = "none"
    depth: str = "u12"
    syntax: str = "explicit"
    extra: str = ""

    @property
    def name(self) -> str:
        """Name of its file, without suffix."""
        parts = (self.syntax, self.depth, self.polarity, f"m-{self.modality}", f"v-{self.voi}", self.extra)
        return "_".join(part for part in parts if part)


def film_combinations() -> list[FilmCombination]:
    """List every combination that is written, each once.

    The pixel stages (4 polarities, 6 modality stages, 8 of the values of interest, 7 depths) are there in full in
    explicit little endian; the other syntaxes have every depth and both photometric interpretations with a few of the
    rest; then come padding, bits above the high bit, contradictory polarities and odd tables.

    Returns:
        The combinations, in a fixed order.
    """
    return list(dict.fromkeys([*_pixel_stages(), *_syntaxes(), *_extras(), *_contradictions(), *_odd_tables()]))


def _fits(modality: str, voi: str) -> bool:
    return not (modality in _FRACTIONAL and voi.startswith("table"))


def _pixel_stages() -> Iterator[FilmCombination]:
    for polarity, modality, voi, depth in product(_VALID, _MODALITIES, _VOIS, DEPTHS):
        if _fits(modality, voi):
            yield FilmCombination(polarity, modality, voi, depth)


def _syntaxes() -> Iterator[FilmCombination]:
    for syntax, polarity, voi, depth in product(list(SYNTAXES)[1:], _VALID[:2], _FEW_VOIS, DEPTHS):
        if syntax != "jpeg" or depth == "u8":  # PS3.5 8.2.1: JPEG baseline has 8 bits
            yield FilmCombination(polarity, "none", voi, depth, syntax)
    for syntax in ("implicit", "bigendian", "deflated"):
        for modality, voi, depth in product(("intercept", "table16"), ("linear", "table8", "table16"), DEPTHS):
            yield FilmCombination("mono2", modality, voi, depth, syntax)


def _extras() -> Iterator[FilmCombination]:
    for extra, polarity, voi, depth in product(_EXTRAS, _VALID[:2], ("none", "linear", "table12"), DEPTHS):
        if extra != "highbits" or depth in ("u10", "u12", "u14", "s12"):
            yield FilmCombination(polarity, "none", voi, depth, extra=extra)


def _contradictions() -> Iterator[FilmCombination]:
    for polarity, voi, depth in product(tuple(POLARITIES)[4:], ("none", "sigmoid", "table16"), ("u8", "u12", "s16")):
        yield FilmCombination(polarity, "none", voi, depth)


def _odd_tables() -> Iterator[FilmCombination]:
    odd = ("words8", "odd8", "partial16", "tablewindow", "stepped")
    for polarity, voi, depth in product(_VALID[:2], odd, ("u8", "u12", "s16")):
        yield FilmCombination(polarity, "none", voi, depth)
    for polarity, voi, depth in product(_VALID[:2], ("none", "linear", "table16"), ("u8", "u12", "s16")):
        yield FilmCombination(polarity, "table8", voi, depth)
