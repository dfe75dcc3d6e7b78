"""Ways to use few labels on top of a pre-trained network: without a memory, with one, with unlabelled cases in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from ...memory import CaseMemory, MixtureReadout, NeighbourReadout, RidgeReadout
from ...memory.readouts import Readout
from .case_features import CaseFeatures, chosen_cases
from .case_readings import read_cases

__all__ = ["MEMORYLESS", "WAYS", "FewLabels", "read_few_labels"]

_NEIGHBOURS, _SPREAD, _ROUNDS = 10, 0.9, 50  # of label propagation (Zhou et al. 2004: alpha 0.99 on cleaner graphs)
_SMOOTHED = 8  # unlabelled cases that an answer is averaged over
_LESSONS = 2  # rounds of self-teaching, each with the surer half of the unlabelled cases


class FewLabels(NamedTuple):
    """One draw of labelled cases; rows of the same cases are in the same order.

    Args:
        labelled: what the pre-trained network, as it is, makes of the labelled cases.
        unlabelled: of all other training cases; no way may look at their labels.
        asked: of the cases to be told.
        tuned_labelled: the same three by the network that was fine-tuned on the labelled cases.
        tuned_unlabelled: see above.
        tuned_asked: see above.
    """

    labelled: CaseFeatures
    unlabelled: CaseFeatures
    asked: CaseFeatures
    tuned_labelled: CaseFeatures
    tuned_unlabelled: CaseFeatures
    tuned_asked: CaseFeatures


def read_few_labels(way: str, cases: FewLabels, classes: int) -> Tensor:
    """What a way says of the asked cases.

    Args:
        way: one of ``WAYS``.
        cases: with labels and without.
        classes: K.

    Returns:
        probabilities ``(N, K)`` float64.
    """
    return WAYS[way](cases, classes)


def _names(classes: int) -> list[str]:
    return [str(k) for k in range(classes)]


def _tuned(cases: FewLabels, classes: int) -> Tensor:
    return cases.tuned_asked.logits.double().softmax(-1)


def _usual(arm: str) -> Callable[[FewLabels, int], Tensor]:
    """An arm of the study of added cases, with the labelled cases at home and none added."""

    def read(cases: FewLabels, classes: int) -> Tensor:
        none = chosen_cases(cases.labelled, 0, 0)
        return read_cases(arm, cases.labelled, none, cases.asked, _names(classes))

    return read


def _cache(cases: FewLabels, classes: int) -> Tensor:
    """Tip-Adapter's cache (Zhang et al. 2022: alpha 1, beta 5.5) on top of the linear probe."""
    probe = _probe(cases, classes).log()
    affinity = normalize(cases.asked.features, dim=1) @ normalize(cases.labelled.features, dim=1).T
    votes = torch.exp(-5.5 * (1 - affinity)) @ one_hot(cases.labelled.labels, classes).float()
    return (probe + votes.double()).softmax(-1)


def _both(cases: FewLabels, classes: int) -> Tensor:
    return (_tuned(cases, classes) + _probe(cases, classes)) / 2


def _memory(readout: Callable[[], Readout]) -> Callable[[FewLabels, int], Tensor]:
    """The pre-training has seen no label: the labelled cases are new to the weights."""

    def read(cases: FewLabels, classes: int) -> Tensor:
        return _read(readout(), cases.labelled, cases.labelled.labels, cases.asked, classes)

    return read


def _read(readout: Readout, known: CaseFeatures, labels: Tensor, asked: CaseFeatures, classes: int) -> Tensor:
    memory = CaseMemory(known.features.shape[1], _names(classes), readout)
    memory.extend(known.ids, known.features, torch.zeros(len(labels), classes), labels, known.groups)
    return memory(asked.features, torch.zeros(len(asked.labels), classes)).double().softmax(-1)


def _with_tuned(cases: FewLabels, classes: int) -> Tensor:
    return (_tuned(cases, classes) + _ridge(cases, classes)) / 2


def _mixture() -> Readout:
    return MixtureReadout({"ridge": RidgeReadout(), "neighbours": NeighbourReadout()})


def _smoothed(cases: FewLabels, classes: int) -> Tensor:
    """The mean of what the memory says of a case and of the unlabelled cases most like it."""
    told = _read(RidgeReadout(), cases.labelled, cases.labelled.labels, _joined(cases.asked, cases.unlabelled), classes)
    own, others = told[: len(cases.asked.labels)], told[len(cases.asked.labels) :]
    cosines = normalize(cases.asked.features, dim=1) @ normalize(cases.unlabelled.features, dim=1).T
    return (own + others[cosines.topk(_SMOOTHED, dim=1).indices].mean(1)) / 2


def _self_taught(cases: FewLabels, classes: int) -> Tensor:
    """A ridge head that takes its own surest answers on unlabelled cases for labels, and is fitted anew."""
    every, count = _joined(cases.unlabelled, cases.asked), len(cases.unlabelled.labels)
    told = _read(RidgeReadout(), cases.labelled, cases.labelled.labels, every, classes)
    for _ in range(_LESSONS):
        sure, guessed = _surest(told[:count])
        known = _joined(cases.labelled, cases.unlabelled.where(sure))
        told = _read(RidgeReadout(), known, torch.cat([cases.labelled.labels, guessed]), every, classes)
    return told[count:]


def _surest(told: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the surer half of the answers for each class, and these classes; no class is favoured."""
    told = told / told.mean(0)
    values, guessed = told.max(1)
    rows = [(guessed == k).nonzero()[:, 0] for k in range(told.shape[1])]
    sure = torch.cat([r[values[r].topk((len(r) + 1) // 2).indices] for r in rows])
    return sure, guessed[sure]


def _both_networks(cases: FewLabels, classes: int) -> Tensor:
    """Propagation over the features of both networks side by side."""
    pairs = [(cases.labelled, cases.tuned_labelled), (cases.unlabelled, cases.tuned_unlabelled)]
    pairs.append((cases.asked, cases.tuned_asked))
    seen = [(f.features.mean(0), f.features.std(0) + 1e-6) for f in pairs[1]]
    wide = [
        frozen._replace(features=torch.cat([(f.features - m) / s for f, (m, s) in zip((frozen, tuned), seen)], dim=1))
        for frozen, tuned in pairs
    ]
    return _propagated(cases._replace(labelled=wide[0], unlabelled=wide[1], asked=wide[2]), classes)


def _propagated(cases: FewLabels, classes: int) -> Tensor:
    """A ridge head over all cases, with labels that spread from the labelled ones over nearest neighbours."""
    every = _joined(cases.labelled, cases.unlabelled)
    labels = _spread(every.features, cases.labelled.labels, classes)
    return _read(RidgeReadout(), every, labels, cases.asked, classes)


def _spread(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Labels of all cases, of which the first ones are known (Zhou et al. 2004)."""
    centred = normalize(features - features.mean(0), dim=1)
    cosines = (centred @ centred.T).fill_diagonal_(-1)
    near = torch.zeros_like(cosines).scatter_(1, cosines.topk(_NEIGHBOURS, dim=1).indices, 1.0)
    graph = torch.maximum(near, near.T)
    graph = graph / graph.sum(0).sqrt() / graph.sum(1, keepdim=True).sqrt()
    known = torch.zeros(len(features), classes)
    known[: len(labels)] = one_hot(labels, classes).float()
    found = known
    for _ in range(_ROUNDS):
        found = _SPREAD * graph @ found + (1 - _SPREAD) * known
    found = (found / found.sum(0)).argmax(1)
    found[: len(labels)] = labels
    return found


def _joined(first: CaseFeatures, second: CaseFeatures) -> CaseFeatures:
    return CaseFeatures(*(torch.cat(columns) for columns in zip(first, second)))


_probe = _usual("refitted head")
_ridge = _memory(RidgeReadout)

MEMORYLESS: dict[str, Callable[[FewLabels, int], Tensor]] = {
    "fine-tuned": _tuned,
    "linear probe": _probe,
    "prototypes": _usual("prototypes"),
    "fine-tuned and linear probe": _both,
}
WAYS: dict[str, Callable[[FewLabels, int], Tensor]] = MEMORYLESS | {
    "linear probe and cache": _cache,
    "memory, neighbours": _memory(NeighbourReadout),
    "memory, ridge": _ridge,
    "memory, mixture": _memory(_mixture),
    "memory, ridge, and fine-tuned": _with_tuned,
    "memory, ridge, unlabelled cases smooth": _smoothed,
    "memory, ridge, unlabelled cases told by propagation": _propagated,
    "memory, ridge, unlabelled cases told by itself": _self_taught,
    "memory, ridge, propagation, frozen and fine-tuned features": _both_networks,
}
