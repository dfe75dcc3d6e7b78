"""What the name of a NIfTI file says: which sequence, or which mask (BraTS, UCSF, UPenn, BIDS and plain names)."""

from __future__ import annotations

import re

from .candidates import Match

__all__ = ["bids_entities", "is_nifti", "match_bids_name", "match_file_name", "stem_of"]

_T1GD = {"t1gd", "t1ce", "t1c", "t1cw", "t1post", "t1gad", "t1km", "t1wce", "t1wgd", "t1wpost", "ct1", "t1wc"}
_T1 = {"t1", "t1w", "t1n", "t1pre", "t1native", "t1wi", "mprage"}
_T2 = {"t2", "t2w", "t2wi"}
_FLAIR = {"flair", "t2f", "t2flair", "flairw"}
_APT = {"apt", "aptw", "aptcest", "cest"}
_CONTRAST = {"gd", "ce", "gad", "gado", "gadolinium", "post", "postgd", "postcontrast", "contrast", "enhanced", "km"}
_NO_CONTRAST = {"pre", "precontrast", "native", "noncontrast", "none", "no", "without"}
# "pre" and "post" of an operation say nothing of contrast.
_OPERATION = re.compile(r"(pre|post)[-_. ]?(operative|op(?!t)|surgical|surgery)")
_MASK = {"mask", "seg", "segm", "segmentation", "roi", "dseg", "probseg"}
_TUMOUR = re.compile(r"(tumou?rs?|lesions?|glioma|gtv|wholetumou?r)(mask|seg\w*)?")
_BRAIN = re.compile(r"(brain|skull|head|icv|parenchyma|bet)(mask|seg\w*)?")


def is_nifti(name: str) -> bool:
    """Whether a file is named like a NIfTI file.

    Args:
        name: of the file.
    """
    return name.lower().endswith((".nii", ".nii.gz"))


def stem_of(name: str) -> str:
    """Return a file's name without ``.nii`` or ``.nii.gz``.

    Args:
        name: of the file.
    """
    return re.sub(r"\.nii(\.gz)?$", "", name, flags=re.IGNORECASE)


def match_file_name(name: str, case: str = "") -> Match | None:
    """Recognise a plain file name by its words, which hyphens, underscores and dots separate.

    Args:
        name: for example ``BraTS-GLI-00001-000-t1n.nii.gz``.
        case: name of the case's folder; what the file's name begins with is not read twice.

    Returns:
        The sequence or mask; None where the name says nothing, or several things.
    """
    stem = stem_of(name).lower()
    if not _sequences(set(_tokens(case))):  # a folder named t1 says nothing but the truth
        stem = stem.removeprefix(case.lower())
    tokens = _tokens(_OPERATION.sub("", stem))
    if mask := _mask(tokens):
        return Match(mask, 1.0, f"named {name}")
    found = _sequences(set(tokens))
    return Match(found.pop(), 1.0, f"named {name}") if len(found) == 1 else None


def bids_entities(name: str) -> tuple[dict[str, str], str]:
    """Split a BIDS file name into its entities and its suffix.

    Args:
        name: for example ``sub-01_ses-1_ce-gadolinium_T1w.nii.gz``.

    Returns:
        ``{"sub": "01", "ses": "1", "ce": "gadolinium"}`` and ``T1w``.
    """
    *pairs, suffix = stem_of(name).split("_")
    return dict(pair.split("-", 1) for pair in pairs if "-" in pair), suffix


def match_bids_name(name: str) -> Match | None:
    """Recognise a BIDS file name by its suffix and its entities ``ce``, ``desc``, ``acq``, ``rec`` and ``label``.

    Args:
        name: of the file.

    Returns:
        The sequence or mask, or None.
    """
    entities, suffix = bids_entities(name)
    said = {key: entities.get(key, "").lower() for key in ("ce", "desc", "acq", "rec", "label")}
    reason = f"BIDS suffix {suffix}" + "".join(f", {key}-{value}" for key, value in said.items() if value)
    kind = suffix.lower()
    if kind in _MASK:
        name_of_mask = _mask([*(said["label"], said["desc"]), kind])
        return Match(name_of_mask, 1.0, reason) if name_of_mask else None
    if kind in _APT or (kind not in _T1 | _T2 | _FLAIR and any("apt" in value for value in said.values())):
        return Match("apt", 1.0, reason)
    if kind == "t1w":
        return Match("t1gd" if _bids_contrast(said) else "t1", 1.0, reason)
    sequence = {"t2w": "t2", "flair": "flair"}.get(kind)
    return Match(sequence, 1.0, reason) if sequence else None


def _bids_contrast(said: dict[str, str]) -> bool:
    """``ce-<agent>`` by the standard; ``desc-``, ``acq-`` or ``rec-`` that speak of it by custom."""
    if said["ce"]:
        return said["ce"] not in _NO_CONTRAST
    texts = [_OPERATION.sub("", said[key]) for key in ("desc", "acq", "rec")]
    if any(text.startswith(("pre", "noncontrast", "nogd")) for text in texts):
        return False
    return any(re.search(r"post|gd|gad|contrast|enhanced|(^|\d|t1)ce?$", text) for text in texts)


def _tokens(text: str) -> list[str]:
    return [token for token in re.split(r"[^a-z0-9]+", text.lower()) if token]


def _mask(tokens: list[str]) -> str:
    """``tumour_mask``, ``brain_mask`` or nothing: ``seg`` alone is a tumour's, ``mask`` alone is nobody's."""
    joined = "".join(tokens)
    masklike = bool(_MASK & set(tokens)) or joined.endswith(("mask", "seg", "segmentation"))
    if any(_TUMOUR.fullmatch(token) for token in tokens):
        return "tumour_mask"
    if masklike and any(_BRAIN.fullmatch(token) for token in tokens):
        return "brain_mask"
    return "tumour_mask" if {"seg", "segm", "segmentation"} & set(tokens) else ""


def _sequences(tokens: set[str]) -> set[str]:
    """The sequences that the words name; ``t1`` with a word of contrast is t1gd, ``t2`` with ``flair`` is flair."""
    found = {"t1gd"} if tokens & _T1GD else set()
    if tokens & _T1:
        found.add("t1gd" if tokens & _CONTRAST and not tokens & _NO_CONTRAST else "t1")
    if tokens & _FLAIR:
        found.add("flair")
    elif tokens & _T2:
        found.add("t2")
    return found | ({"apt"} if tokens & _APT else set())
