"""Cases that a network consults after training: features and labels at its output, added and removed in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from .case_rows import CaseRows, no_cases
from .class_moments import ClassMoments
from .evidence import CaseEvidence
from .judging_rows import judging_rows
from .readouts import FittedReadout, Readout, RidgeReadout
from .search import ExactSearch

__all__ = ["CaseMemory"]

_REBUILD = 64  # removals after which the moments are made anew from the rows


class CaseMemory(nn.Module):
    """A memory of cases beside any network, read out at its output.

    What a bank inside attention holds of the training set, the weights have absorbed; labelled cases that they have
    *not* seen are worth something. The memory takes them in without a gradient step, tells them apart from the training
    cases (which it should hold too: they are what a new hospital's few cases are added to), shows whom it consulted,
    and forgets a case as if it had never been there. While it holds no labelled case that is new to the weights it
    gives the network's own logits, to the last bit.

    Rows stand in ascending order of their id, classes that the head does not know behind its own in the order of their
    names: whatever way the cases came and went, the state is that of these cases. Moments and choices follow from it.

    Args:
        num_features: F, of what the network's last linear layer takes.
        class_names: of the network's head, in the order of its logits.
        readout: how the memory is read; defaults to :class:`RidgeReadout`.
        network: digest of the weights that make the features; cases of other weights are refused. Empty does not check.
        preparation: digest of how images are prepared; likewise.

    Raises:
        ValueError: when ``num_features`` is not positive or a class name is given twice.
    """

    labels: Tensor
    features: Tensor
    logits: Tensor

    def __init__(
        self,
        num_features: int,
        class_names: Sequence[str],
        readout: Readout | None = None,
        network: str = "",
        preparation: str = "",
    ) -> None:
        super().__init__()
        if num_features < 1 or len({*class_names}) != len(class_names):
            raise ValueError(f"need num_features >= 1 and distinct class names, got {num_features}, {class_names!r}.")
        self.num_features = num_features
        self.head_classes = len(class_names)
        self.class_names = list(class_names)
        self.readout = readout or RidgeReadout()
        self.network = network
        self.preparation = preparation
        for name, rows in zip(CaseRows._fields, no_cases(num_features, self.head_classes)):
            self.register_buffer(name, rows)
        self._moments: ClassMoments | None = None
        self._removals = 0
        self._fitted: FittedReadout | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        new = int((self.rows.labelled & ~self.learned).sum())
        return f"num_features={self.num_features}, classes={len(self.class_names)}, cases={len(self)}, new={new}"

    @property
    def rows(self) -> CaseRows:
        """All cases, as they are stored (no copy)."""
        return CaseRows(*(getattr(self, name) for name in CaseRows._fields))

    @property
    def moments(self) -> ClassMoments:
        """Of the cases with a class; made from the rows when first asked for."""
        if self._moments is None:
            self._moments = ClassMoments.of(self.features, self.labels, len(self.class_names))
        return self._moments

    @property
    def choices(self) -> dict[str, float]:
        """What the read-out chose on the memory's own cases; nothing while it is not consulted."""
        return dict(self._fit().choices) if self.consulted else {}

    @property
    def consulted(self) -> bool:
        """Whether there is a labelled case that the weights have not seen."""
        return bool((self.rows.labelled & ~self.learned).any())

    @torch.no_grad()
    def extend(
        self,
        ids: Tensor,
        features: Tensor,
        logits: Tensor,
        labels: Tensor | None = None,
        group_ids: Tensor | None = None,
        learned: bool = False,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """Take in cases.

        Args:
            ids: opaque sample ids ``(N,)`` int64, none of them stored.
            features: ``(N, F)``, of the network's last layer.
            logits: ``(N, K)``, of its head.
            labels: ``(N,)`` int64, indices into ``class_names``; -1, or None, where a case has none.
            group_ids: of patients or slides ``(N,)`` int64; None makes every case a group of its own.
            learned: whether the weights were fitted to these cases.
            class_names: what the labels mean; None takes the memory's own. Names that the memory does not know yet
                become new classes, behind those of the head.

        Raises:
            ValueError: when shapes do not fit, a value is not finite, a label has no class, or an id is stored already
                or given twice, like a class name; the memory is then as before.
        """
        labels = torch.full_like(ids, -1) if labels is None else labels
        groups = ids if group_ids is None else group_ids
        features, logits = features.float(), logits.float()
        self._check(ids, features, logits, labels, groups)
        names, labels = self._translated(labels, class_names)
        marks = torch.full_like(ids, bool(learned), dtype=torch.bool)
        # Plain tensors: a MetaTensor would carry its file name, which may name a patient, into every checkpoint.
        new = CaseRows(*(t.detach().as_subclass(Tensor) for t in (ids, groups, labels, marks, features, logits)))
        rows = self.rows._replace(labels=self._renumbered(names)).joined(new)
        self._name_classes(names)
        if self._moments is not None:
            self._moments.add(new.features.to(self.features), new.labels.to(self.labels))
        self._store(rows)

    @torch.no_grad()
    def remove(self, ids: Tensor | None = None, group_ids: Tensor | None = None) -> int:
        """Forget cases as if they had never been stored, and new classes of which no case is left.

        Args:
            ids: opaque sample ids ``(N,)``.
            group_ids: of patients or slides ``(N,)``.

        Returns:
            how many cases were removed.
        """
        gone = torch.zeros_like(self.learned)
        for own, named in ((self.ids, ids), (self.groups, group_ids)):
            if named is not None:
                gone |= torch.isin(own, named.to(own))
        if not gone.any():
            return 0
        self._removals += 1
        if self._moments is not None:
            self._moments.subtract(self.features[gone], self.labels[gone])
        self._store(self.rows.where(~gone))
        self._forget_empty_classes()
        if self._removals % _REBUILD == 0:
            self.rebuild()
        return int(gone.sum())

    def _forget_empty_classes(self) -> None:
        used = {self.class_names[k] for k in self.labels.unique().tolist() if k >= 0}
        self._name_classes([n for k, n in enumerate(self.class_names) if k < self.head_classes or n in used])

    def _name_classes(self, names: list[str]) -> None:
        """Give the classes these names, in this order; what has no name any more has no case either."""
        if names == self.class_names:
            return
        self.labels = self._renumbered(names)
        if self._moments is not None:
            self._moments = self._moments.moved(self._places(names), len(names))
        self.class_names = names

    def _renumbered(self, names: list[str]) -> Tensor:
        """The labels as indices into these names."""
        return torch.tensor([*self._places(names), -1]).to(self.labels)[self.labels]

    def _places(self, names: list[str]) -> list[int]:
        return [names.index(name) if name in names else -1 for name in self.class_names]

    def rebuild(self) -> None:
        """Make everything that follows from the rows anew: then not even rounding tells of removed cases."""
        self._moments = self._fitted = None

    @torch.no_grad()
    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        """What network and memory say together.

        Args:
            features: ``(B, F)``.
            logits: of the network's head ``(B, K)``.

        Returns:
            logarithms of probabilities ``(B, C)``, for all of ``class_names``; the given logits themselves while the
            memory has nothing to add.
        """
        if not self.consulted:
            return logits
        return self._fit().read(features, logits).clamp(min=1e-9).log().to(logits.dtype)

    @torch.no_grad()
    def neighbours(self, features: Tensor, k: int = 5, exclude_groups: Tensor | None = None) -> list[CaseEvidence]:
        """The most similar cases, by the cosine of the features; labelled or not.

        Args:
            features: ``(B, F)``.
            k: how many; fewer where the memory is smaller.
            exclude_groups: ``(B,)``, a patient or slide of which a sample must find nothing.

        Returns:
            per sample the ids, and the cosines as weights, most similar first.

        Raises:
            ValueError: when the memory is empty.
        """
        if not len(self):
            raise ValueError("the memory is empty: add cases before asking for similar ones.")
        own = None if exclude_groups is None else exclude_groups[:, None] == self.groups
        cosines, rows = ExactSearch()(features[:, None, None].float(), self.features[:, None], k, own, cosine=True)
        cosines, rows = cosines[:, 0, 0], rows[:, 0, 0]
        found = cosines > float("-inf")
        return [CaseEvidence(self.ids[r[f]], c[f]) for c, r, f in zip(cosines, rows, found)]

    def _fit(self) -> FittedReadout:
        if self._fitted is None:
            told = self.rows.labelled
            cases = self.rows if told.all() else self.rows.where(told)
            self._fitted = self.readout.fit(cases, self.moments, judging_rows(cases))
        return self._fitted

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> CaseMemory:
        """Moved to another device, what follows from the rows is made anew there; the rows keep their precision."""
        whole = self.features, self.logits
        super()._apply(fn, recurse)
        self.features, self.logits = (rows.to(self.features.device) for rows in whole)
        self.rebuild()
        return self

    def _store(self, rows: CaseRows) -> None:
        for name, column in zip(CaseRows._fields, rows):
            setattr(self, name, column.contiguous())
        self._fitted = None

    def _check(self, ids: Tensor, features: Tensor, logits: Tensor, labels: Tensor, groups: Tensor) -> None:
        wanted = [(len(ids),)] * 3 + [(len(ids), self.num_features), (len(ids), self.head_classes)]
        got = [tuple(t.shape) for t in (ids, labels, groups, features, logits)]
        if got != wanted:
            raise ValueError(f"ids, labels, group_ids, features, logits must have shapes {wanted}, got {got}.")
        odd = ~(features.isfinite().all(1) & logits.isfinite().all(1))
        if odd.any():
            raise ValueError(
                f"features or logits of {int(odd.sum())} case(s) are not finite, the first: {int(ids[odd][0])}."
            )
        stored = torch.isin(ids, self.ids.to(ids))
        if stored.any():
            raise ValueError(
                f"{int(stored.sum())} case(s) are stored already, the first: {int(ids[stored][0])}: remove them first."
            )
        if len(ids.unique()) != len(ids):
            raise ValueError("an id is given twice: give every case once.")

    def _translated(self, labels: Tensor, class_names: Sequence[str] | None) -> tuple[list[str], Tensor]:
        """All class names, and the labels as indices into them."""
        given = list(self.class_names if class_names is None else class_names)
        if len({*given}) != len(given):
            raise ValueError(f"class names must be distinct, got {given}.")
        if len(labels) and (int(labels.min()) < -1 or int(labels.max()) >= len(given)):
            raise ValueError(f"labels lie in {int(labels.min())} ... {int(labels.max())}, but the classes are {given}.")
        head, later = self.class_names[: self.head_classes], self.class_names[self.head_classes :]
        used = [name for i, name in enumerate(given) if (labels == i).any()]
        names = [*head, *sorted({*later, *used} - {*head})]
        places = torch.tensor(
            [names.index(name) if name in names else -1 for name in given] + [-1], device=labels.device
        )
        return names, places[labels]

    def get_extra_state(self) -> dict[str, Any]:
        """What is no tensor: class names and digests."""
        return {"class_names": self.class_names, "network": self.network, "preparation": self.preparation}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Check the digests and take the class names.

        Args:
            state: see :meth:`get_extra_state`.

        Raises:
            ValueError: when the memory was made for other classes, weights or another preparation.
        """
        self._check_origin(state)
        self.network, self.preparation = state["network"] or self.network, state["preparation"] or self.preparation
        self.class_names = list(state["class_names"])

    def _check_origin(self, state: Mapping[str, Any]) -> None:
        for name in ("network", "preparation"):
            saved, own = state[name], getattr(self, name)
            if saved and own and saved != own:
                raise ValueError(
                    f"the memory belongs to another {name} ({saved[:12]}…, not {own[:12]}…): make it anew."
                )
        if list(state["class_names"])[: self.head_classes] != self.class_names[: self.head_classes]:
            raise ValueError(f"the memory was made for classes {state['class_names']}, not {self.class_names}.")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Takes the size of the saved memory; none of its cases where it does not belong here."""
        if prefix + "_extra_state" in state_dict:
            self._check_origin(state_dict[prefix + "_extra_state"])
        saved = {name: state_dict[prefix + name] for name in CaseRows._fields if prefix + name in state_dict}
        odd = [name for name, own in self.rows._asdict().items() if not _alike(saved.get(name), own)]
        if odd or len({len(rows) for rows in saved.values()}) > 1:
            args[-1].append(f"{', '.join(odd) or 'rows'} of the saved memory do not fit {self}.")
            return
        for name, rows in saved.items():
            setattr(self, name, getattr(self, name).new_empty(rows.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)
        self.rebuild()


def _alike(rows: Tensor | None, own: Tensor) -> bool:
    return rows is not None and rows.shape[1:] == own.shape[1:]
