"""What becomes of labels that a reader was not sure of, or did not mention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .label_files.film_labels import MISSING, UNCERTAIN, is_no_finding

__all__ = ["LabelPolicy", "applied_labels", "choose_findings"]

_UNCERTAIN = {"ignore": -1, "zeros": 0, "ones": 1}
_MISSING = {"ignore": -1, "zeros": 0}
_NO_PATHOLOGY = "support devices"  # a film with a tube may still have no finding


@dataclass(frozen=True)
class LabelPolicy:
    """What uncertain and missing labels count as (U-Ignore, U-Zeros and U-Ones of Irvin et al. 2019, section 3).

    Args:
        uncertain: ``ignore`` (unknown, left out of loss and metrics), ``zeros`` or ``ones``.
        missing: ``ignore``, or ``zeros``: what is not mentioned is not there, as the labels of CheXpert are often read.
        uncertain_of: finding -> its own policy for uncertain labels.

    Raises:
        ValueError: for another word.
    """

    uncertain: str = "ignore"
    missing: str = "ignore"
    uncertain_of: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        words = [("uncertain labels", self.uncertain, _UNCERTAIN), ("missing labels", self.missing, _MISSING)]
        words += [(f"uncertain labels of {name}", word, _UNCERTAIN) for name, word in self.uncertain_of.items()]
        for what, word, known in words:
            if word not in known:
                raise ValueError(f"policy for {what} is {word!r}: take one of {', '.join(known)}")


def choose_findings(found: Sequence[str], wanted: Sequence[str] | None, policy: LabelPolicy) -> list[str]:
    """Return the findings of a datalist.

    Args:
        found: by the label file, in its order.
        wanted: in the order of choice; None takes all but a column that says that nothing was found.
        policy: its findings must be among those.

    Raises:
        ValueError: for a finding that the label file does not have, or that is named twice, and where none is left.
    """
    chosen = [name for name in found if not is_no_finding(name)] if wanted is None else list(wanted)
    chosen = chosen or list(found)
    for names, among in ((chosen, found), (policy.uncertain_of, chosen)):
        for name in names:
            if name not in among:
                raise ValueError(f"finding {name!r} is unknown, there are {', '.join(among)}: correct the name")
    if len(set(chosen)) != len(chosen) or (found and not chosen):
        raise ValueError(f"findings are {', '.join(chosen) or 'none'}: name each once, and one at least")
    return chosen


def applied_labels(
    labels: Sequence[int], found: Sequence[str], chosen: Sequence[str], policy: LabelPolicy
) -> tuple[int, ...]:
    """Return 1, 0 or -1 (unknown) for every chosen finding.

    Where a column says that nothing was found, what is not mentioned is 0, whatever the policy; only support devices,
    which that column does not speak of, stay missing.

    Args:
        labels: of a film, as the label file has them.
        found: names of the findings in the label file.
        chosen: those of the datalist, in their order.
        policy: for what is uncertain or missing.
    """
    by_name = dict(zip(found, labels, strict=True))
    nothing = any(is_no_finding(name) and label == 1 for name, label in by_name.items())
    return tuple(_applied(name, by_name[name], nothing, policy) for name in chosen)


def _applied(name: str, label: int, nothing: bool, policy: LabelPolicy) -> int:
    if label == UNCERTAIN:
        return _UNCERTAIN[policy.uncertain_of.get(name, policy.uncertain)]
    if label == MISSING:
        return 0 if nothing and name.casefold() != _NO_PATHOLOGY else _MISSING[policy.missing]
    return label
