"""Recognising the sequence of a DICOM series by its words, times and contrast agent, with a score and a reason."""

from __future__ import annotations

from dataclasses import dataclass

from .candidates import Match
from .series_words import Words, denies_agent, words_of

__all__ = ["ACCEPTED", "SeriesAttributes", "recognise_series"]

ACCEPTED = 0.5
_SAID, _MEASURED, _AGAINST = 0.5, 0.5, -0.25
_HEADS = ("head", "brain", "skull", "neuro", "cerebr", "kopf", "schaedel", "cranium")
_DERIVED_KINDS = {"MIP", "MNIP", "MINIP", "PROJECTION IMAGE", "SUBTRACTION", "ADC", "TRACEW", "FA", "PERFUSION", "MPR"}
_COMPLEX_PARTS = {"P": "phase", "R": "real part", "I": "imaginary part", "PHASE": "phase", "PHASE MAP": "phase"}
_COMPLEX_PARTS |= {"REAL": "real part", "IMAGINARY": "imaginary part"}


@dataclass(frozen=True, slots=True)
class SeriesAttributes:
    """The DICOM attributes that recognition reads; times in ms, None where absent.

    Args:
        description: SeriesDescription (0008,103E).
        protocol: ProtocolName (0018,1030).
        sequence_name: SequenceName (0018,0024) or PulseSequenceName (0018,9005).
        image_type: ImageType (0008,0008), or FrameType of a multi-frame image.
        scanning: ScanningSequence (0018,0020): SE, IR, GR, EP, RM.
        variant: SequenceVariant (0018,0021), for example MP for magnetization-prepared.
        repetition_time: RepetitionTime (0018,0080).
        echo_time: EchoTime (0018,0081).
        inversion_time: InversionTime (0018,0082).
        agent: ContrastBolusAgent (0018,0010).
        acquisition: MRAcquisitionType (0018,0023), 2D or 3D.
        body_part: BodyPartExamined (0018,0015).
    """

    description: str = ""
    protocol: str = ""
    sequence_name: str = ""
    image_type: tuple[str, ...] = ()
    scanning: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    repetition_time: float | None = None
    echo_time: float | None = None
    inversion_time: float | None = None
    agent: str = ""
    acquisition: str = ""
    body_part: str = ""

    @property
    def has_agent(self) -> bool:
        """Whether a contrast agent is recorded, and not the word for none."""
        return not denies_agent(self.agent)


@dataclass(frozen=True)
class _Measured:
    """What the times say: t1, t2, flair or something else (empty: nothing), how well, how well alone, and in words."""

    weighting: str
    strength: float
    text: str
    alone: float = 1.0


def recognise_series(series: SeriesAttributes) -> tuple[Match | None, str]:
    """Recognise t1, t2, flair, t1gd or apt.

    The description gives 0.5 and the times give 0.5 to the sequence they speak for; each takes 0.25 from every other.
    From 0.5 on a sequence is accepted: by its description where the times are absent, by its times where the
    description says nothing, and not where both speak against each other.

    Args:
        series: its attributes.

    Returns:
        The match and an empty text, or None and why there is none.
    """
    words = words_of(series.description, series.protocol, series.sequence_name)
    if why := _something_else(series, words):
        return None, why
    if words.weighting == "apt":
        return Match("apt", 0.9, f"description says APT ({words.named_by!r}){_body_part(series)}"), ""
    measured = _measured(series)
    scores = {name: _score(name, words, measured, bool(series.inversion_time)) for name in ("t1", "t2", "flair")}
    best = max(scores, key=lambda name: scores[name])
    reason = _reason(words, measured)
    if scores[best] < ACCEPTED:
        return None, f"no sequence is recognised: {reason}"
    if best == "t1" and words.contrast == "both":
        return None, "description says both before and after contrast: name it by a pattern"
    name, factor, contrast = _contrast(series, words) if best == "t1" else (best, 1.0, "")
    return Match(name, scores[best] * factor, reason + contrast + _body_part(series)), ""


def _something_else(series: SeriesAttributes, words: Words) -> str:
    kinds = {kind.upper() for kind in series.image_type}
    if "LOCALIZER" in kinds:
        return "ImageType says localizer"
    if words.other:
        return f"description says {words.other} ({words.other_word!r})"
    if words.weighting == "apt":  # the weighted image is computed, scanners call it derived
        return ""
    if found := sorted(kinds & _DERIVED_KINDS):
        return f"ImageType says {found[0]}: made from other images"
    if part := next((_COMPLEX_PARTS[kind] for kind in sorted(kinds) if kind in _COMPLEX_PARTS), ""):
        return f"ImageType says {part}, not magnitude"
    if series.image_type[:1] == ("DERIVED",):
        return "ImageType says derived, not original"
    return ""


def _measured(series: SeriesAttributes) -> _Measured:
    """Weighting by TR, TE and TI: spin echoes by the usual windows, gradient echoes by a short TE."""
    tr, te, ti = series.repetition_time, series.echo_time, series.inversion_time
    if te is None or te <= 0:
        return _Measured("", 0.0, "no echo time")
    tr = tr if tr else None
    times = f"TE {te:g} ms" + (f", TR {tr:g} ms" if tr else "") + (f", TI {ti:g} ms" if ti else "")
    if "EP" in series.scanning:
        return _Measured("other", 1.0, f"{times}: echo-planar")
    if "GR" in series.scanning and "SE" not in series.scanning:
        prepared = "MP" in series.variant or (ti or 0.0) >= 300 or (tr or 0.0) >= 100
        return _gradient_echo(te, prepared, times)
    return _spin_echo(tr, te, ti or 0.0, series.acquisition, times)


def _gradient_echo(te: float, prepared: bool, times: str) -> _Measured:
    """A short TE is T1-weighted; alone it says little, for steady-state and time-of-flight images have it too."""
    if te <= 12:
        return _Measured("t1", 1.0, f"{times} of a gradient echo: T1-weighted", 1.0 if prepared else 0.5)
    return _Measured("other", 1.0, f"{times} of a gradient echo: T2*-weighted")


def _spin_echo(tr: float | None, te: float, ti: float, acquisition: str, times: str) -> _Measured:
    if te >= 60:
        if ti >= 1300:
            return _Measured("flair", 1.0, f"{times}: fluid-attenuated inversion recovery")
        if 80 <= ti <= 350:
            return _Measured("other", 1.0, f"{times}: short-TI inversion recovery")
        if te > 200 and acquisition == "2D":
            return _Measured("t2", 0.4, f"{times}: heavily T2-weighted, more than usual in 2D")
        return _Measured("t2", 1.0, f"{times}: T2-weighted")
    if te <= 40 and (300 <= ti <= 1300 or (tr is not None and tr <= 1500)):
        return _Measured("t1", 1.0, f"{times}: T1-weighted")
    if te <= 40 and tr is not None and tr >= 1800 and not ti:
        return _Measured("other", 1.0, f"{times}: proton-density-weighted")
    return _Measured("", 0.0, f"{times} says nothing clear")


def _score(name: str, words: Words, measured: _Measured, inverted: bool) -> float:
    score = 0.0
    if words.weighting:
        score += _SAID if words.weighting == name else _AGAINST
    if measured.weighting == name:
        score += _MEASURED * (measured.strength if words.weighting else measured.alone)
    elif name == "flair" == words.weighting and measured.weighting == "t2" and not inverted:
        score += _MEASURED / 2  # many scanners leave InversionTime of a FLAIR out: TE agrees
    elif measured.weighting:
        score += _AGAINST
    return score


def _contrast(series: SeriesAttributes, words: Words) -> tuple[str, float, str]:
    """T1 before or after the agent: name, factor of the score, and the words for it."""
    agent = series.agent.strip()
    if words.contrast == "before" and series.has_agent:
        return "t1", 0.8, f"; description says before contrast, although the agent {agent!r} is recorded"
    if words.contrast == "before":
        return "t1", 1.0, "; description says before contrast"
    if words.contrast == "after" and series.has_agent:
        return "t1gd", 1.0, f"; description and the agent {agent!r} say contrast"
    if words.contrast == "after" and agent:
        return "t1gd", 0.8, f"; description says contrast, although the agent is recorded as {agent!r}"
    if words.contrast == "after":
        return "t1gd", 1.0, "; description says contrast"
    if series.has_agent:
        return "t1gd", 1.0, f"; contrast agent {agent!r}"
    return "t1", 1.0, "; no contrast agent"


def _reason(words: Words, measured: _Measured) -> str:
    if words.weighting:
        return f"description says {words.weighting.upper()} ({words.named_by!r}); {measured.text}"
    return f"description names no weighting; {measured.text}"


def _body_part(series: SeriesAttributes) -> str:
    part = series.body_part.strip()
    return "" if not part or any(head in part.lower() for head in _HEADS) else f"; body part {part}"
