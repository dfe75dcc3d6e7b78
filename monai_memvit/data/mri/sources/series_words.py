"""What the words of a series description or protocol name say: the weighting, contrast agent, or something else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Contrast", "Words", "denies_agent", "words_of"]

Contrast = Literal["", "before", "after", "both"]

# In this order: what one of these names is none of the five sequences, whatever else it says.
_OTHER = {
    "a localizer": r"local\w*|scouts?|survey|3 ?pl|3 ?plane\w*|smart ?brain|loc|aascout\w*",
    "a calibration": r"calib\w*|asset cal|(b0|b1|field) ?map\w*|shim|prescan|(ref|reference|sense) ?(scan|ref)",
    "diffusion": r"dwi\w*|dti|diff|diffusion\w*|adc|eadc|tracew?|isodwi|hardi|b ?(0|500|800|1000|2000)|tensor",
    "perfusion or dynamic": r"perf\w*|dsc|dce|p?c?asl|r?cb[fv]|mtt|ttp|ktrans|twist|dyn|dynamic\w*",
    "susceptibility": r"swi\w*|swan|venbold|qsm|t2 ?\*\w*|t2 ?star\w*|hemo\w*|t2 (gre|fl2d|ffe)|gre t2",
    "angiography": r"mra|mrv|tof\w*|angio\w*|venogra\w*|venc|inhance\w*|tricks",
    "functional": r"fmri|bold|resting|rs ?fmri",
    "spectroscopy": r"mrs|mrsi|svs|csi|spectro\w*",
    "a projection or a reformat": r"m(in)?ip|collapsed|reformat\w*",
    "a difference": r"sub|subtr\w*",
    "short-TI inversion recovery": r"stir",
    "a map or a phase": r"[tr][12] ?maps?|qmap|mrf|magic|synthetic|phase|pha",
}
_APT = r"apt\w*|cest\w*|amide\w*"
_FLAIR = r"flair\w*|t2 ?flair\w*|dark ?fluid|da ?fl|t2f"
_MAYBE_FLAIR = r"tirm"
_T1 = r"t1\w*|(me ?)?mp ?rage|bravo|f?spgr|tfl3d\w*|vibe|lava|thrive|3d ?tfe"
_T2 = r"t2(?!\*)\w*|haste|ss ?fse"
_PROTON = r"pd|pdw|proton\w*"
_BRAND = r"(dota|gado|magne|omni|pro|multi|primo)(rem|vist|scan|hance)"
_AGENT = rf"(gd\w*|gad\w*|[ck]ontrast\w*|km|ce|enhanced|{_BRAND})"
_CONTRAST = rf"{_AGENT}|post(?!er)\w*|c \+|\+c|\+ c|t1w?(ce|c|gd\w*|gad\w*|post|km)"
_WITH_AND_WITHOUT = r"w(ith)?( and)? (w ?o|without)"
# Words that deny the agent, with the agent's name where it follows or goes before: "no Gd", "vor KM", "KM prae".
_NO_CONTRAST = (
    rf"(pre|prae?|w ?o|ohne|sans)( ?{_AGENT}){{0,2}}|(no|non|vor|pr) ?{_AGENT}|{_AGENT} (pre|prae?)"
    r"|without( \w+){0,2}|nativ\w*|unenhanced|plain|t1n"
)
# Before or after something else than the agent, and without something else: an operation, fat saturation.
_OTHER_OCCASION = (
    r"(pre|prae?|post) ?(op(erat\w*|\d+)?|surg\w*|resect\w*|biops\w*|rt|rtx|rad\w*|chemo\w*|treat\w*|therap\w*)"
    r"|(w ?o|without|non?|ohne) ?(fs|fat( ?sat\w*)?|fatsat\w*)"
)
# ContrastBolusAgent that says that there was none.
_NO_AGENT = (
    r"(no|non|none|not|nil|null|nothing|pre|w ?o|without|kein\w*|ohne|sans|unknown)( .*)?|n|na|n a|0( ?ml| ?cc)?|"
)


def _search(words: str, text: str) -> str:
    """The first of the words in the text, whole words only; empty where there is none."""
    match = re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", text)
    return match[0] if match else ""


def _without(words: str, text: str) -> str:
    """The text without these words."""
    return " ".join(re.sub(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", " ", text).split())


@dataclass(frozen=True)
class Words:
    """What a text says.

    Args:
        weighting: ``t1``, ``t2``, ``flair``, ``apt``, or empty where the text says nothing, or two things at once.
        named_by: the word that says so.
        contrast: before or after an agent was given; both where it says both, empty where it says nothing.
        other: what else it is, for example ``diffusion``; empty for none.
        other_word: the word that says so.
    """

    weighting: str
    named_by: str
    contrast: Contrast
    other: str
    other_word: str


def words_of(*texts: str) -> Words:
    """Read descriptions from a scanner.

    Args:
        texts: for example SeriesDescription and ProtocolName; the first that names a weighting counts, and likewise the
            first that speaks of contrast.
    """
    plain = [_normal(text) for text in texts if text]
    named = next((found for text in plain if (found := _weighting(text))[0]), ("", ""))
    contrast: Contrast = next((said for text in plain if (said := _contrast(text))), "")
    other = next((found for text in plain if (found := _other(text, named[0]))[0]), ("", ""))
    return Words(named[0], named[1], contrast, other[0], other[1])


def _normal(text: str) -> str:
    """Lower case, words apart; a plus sign begins a word: ``T1+C`` is ``t1 +c``, and ``prä`` is ``prae``."""
    return re.sub(r"[^a-z0-9+*]+", " ", text.lower().replace("+", " +").replace("ä", "ae")).strip()


def _weighting(text: str) -> tuple[str, str]:
    if word := _search(_APT, text):
        return "apt", word
    t1, t2, flair = _search(_T1, text), _search(_T2, text), _search(_FLAIR, text)
    if t1:  # "T1 FLAIR" is an inversion-prepared T1; a text that names T1 and T2 says nothing
        return ("", "") if t2 and not flair else ("t1", t1)
    if flair or _search(_MAYBE_FLAIR, text):
        return "flair", flair or "tirm"
    return ("t2", t2) if t2 else ("", "")


def _contrast(text: str) -> Contrast:
    said = _without(_OTHER_OCCASION, text)
    rest = _without(_NO_CONTRAST, said)
    with_agent = bool(_search(_CONTRAST, rest) or _search(_WITH_AND_WITHOUT, said))
    if rest != said:
        return "both" if with_agent else "before"
    return "after" if with_agent else ""


def denies_agent(agent: str) -> bool:
    """Whether a recorded contrast agent is none: empty, or a word for it.

    Args:
        agent: ContrastBolusAgent, for example ``NO CONTRAST``.
    """
    return re.fullmatch(_NO_AGENT, _normal(agent)) is not None


def _other(text: str, weighting: str) -> tuple[str, str]:
    for name, words in _OTHER.items():
        if word := _search(words, text):
            return name, word
    proton = _search(_PROTON, text)
    return ("proton density", proton) if proton and not weighting else ("", "")
