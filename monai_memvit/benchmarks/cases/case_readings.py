"""Ways to use cases that a network was not trained on: the memory's, and those of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from ...memory import CaseMemory, HeadReadout, MixtureReadout, NeighbourReadout, RidgeReadout
from ...memory.readouts import Readout
from .case_features import CaseFeatures

__all__ = ["READINGS", "read_cases"]

_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # scikit-learn's C


def read_cases(
    arm: str, home: CaseFeatures, added: CaseFeatures, asked: CaseFeatures, class_names: Sequence[str]
) -> Tensor:
    """What an arm says of cases.

    Args:
        arm: one of ``READINGS``.
        home: cases that the network was trained on; logits of a class that it was never taught are minus infinity,
            of all cases.
        added: cases of the site, which it was not.
        asked: cases to be told.
        class_names: of all labels.

    Returns:
        probabilities ``(N, K)`` float64.
    """
    return READINGS[arm](home, added, asked, class_names)


def _network(home: CaseFeatures, added: CaseFeatures, asked: CaseFeatures, names: Sequence[str]) -> Tensor:
    return asked.logits.double().softmax(-1)


def _untold(cases: CaseFeatures) -> Tensor:
    """Classes that the network was never taught ``(K,)``: their logit is minus infinity."""
    return cases.logits.isneginf().any(0)


def _memory(readout: Callable[[], Readout], with_home: bool = True, shuffled: bool = False) -> Callable[..., Tensor]:
    def read(home: CaseFeatures, added: CaseFeatures, asked: CaseFeatures, names: Sequence[str]) -> Tensor:
        taught = (~_untold(asked)).nonzero()[:, 0]
        memory = CaseMemory(home.features.shape[1], [names[k] for k in taught], readout())
        if with_home:
            logits = home.logits[:, taught]
            memory.extend(home.ids, home.features, logits, home.labels, home.groups, learned=True, class_names=names)
        order = torch.arange(len(added.labels))
        if shuffled:
            order = torch.randperm(len(order), generator=torch.Generator().manual_seed(0))
        labels = added.labels[order]
        memory.extend(added.ids, added.features, added.logits[:, taught], labels, added.groups, class_names=names)
        told = torch.zeros(len(asked.labels), len(names), dtype=torch.float64)
        places = [names.index(name) for name in memory.class_names]
        told[:, places] = memory(asked.features, asked.logits[:, taught]).double().softmax(-1)
        return told

    return read


def _refitted(home: CaseFeatures, added: CaseFeatures, asked: CaseFeatures, names: Sequence[str]) -> Tensor:
    """Logistic regression on the standardised features of all cases, C by five folds of whole patients."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, labels, groups = _joined(home, added)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, class_weight="balanced"))
    folds = GroupKFold(min(5, len(np.unique(groups))))
    grid = {"logisticregression__C": _PENALTIES}
    search = GridSearchCV(model, grid, cv=folds, scoring="balanced_accuracy").fit(features, labels, groups=groups)
    told = torch.zeros(len(asked.labels), len(names), dtype=torch.float64)
    told[:, search.classes_] = torch.from_numpy(search.predict_proba(asked.features.numpy())).double()
    return told


def _joined(home: CaseFeatures, added: CaseFeatures) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    both = (torch.cat([getattr(home, name), getattr(added, name)]).numpy() for name in ("features", "labels", "groups"))
    features, labels, groups = both
    return features, labels, groups


def _prototypes(home: CaseFeatures, added: CaseFeatures, asked: CaseFeatures, names: Sequence[str]) -> Tensor:
    """The class of the nearest mean, by cosine (Snell et al. 2017, with the temperature of the memory's evidence)."""
    features, labels, _ = (torch.from_numpy(column) for column in _joined(home, added))
    members = one_hot(labels, len(names)).float()
    means = members.T @ normalize(features, dim=1) / members.sum(0).clamp(min=1)[:, None]
    cosines = normalize(asked.features, dim=1) @ normalize(means, dim=1).T
    return (cosines.double() / 0.1).softmax(-1)


def _cache(home: CaseFeatures, added: CaseFeatures, asked: CaseFeatures, names: Sequence[str]) -> Tensor:
    """Logits plus a cache of cases, as training-free Tip-Adapter adds them (Zhang et al. 2022: alpha 1, beta 5.5).

    A class that the network was never taught starts from the least of a case's logits.
    """
    untold = _untold(asked)
    least = asked.logits[:, ~untold].amin(1, keepdim=True)
    logits = torch.where(untold, least, asked.logits)
    affinity = torch.exp(-5.5 * (1 - normalize(asked.features, dim=1) @ normalize(added.features, dim=1).T))
    return (logits + affinity @ one_hot(added.labels, len(names)).float()).double().softmax(-1)


def _mixture() -> Readout:
    return MixtureReadout({"head": HeadReadout(), "ridge": RidgeReadout(), "neighbours": NeighbourReadout()})


READINGS: dict[str, Callable[..., Tensor]] = {
    "network alone": _network,
    "refitted head": _refitted,
    "prototypes": _prototypes,
    "cache": _cache,
    "memory, neighbours": _memory(NeighbourReadout),
    "memory, ridge": _memory(RidgeReadout),
    "memory, mixture": _memory(_mixture),
    "memory, ridge, added cases only": _memory(RidgeReadout, with_home=False),
    "memory, ridge, labels shuffled": _memory(RidgeReadout, shuffled=True),
}
