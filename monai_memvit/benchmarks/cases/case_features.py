"""What a network makes of every case of a study: trained on a home hospital's cases, asked about another site's."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...data import atomic_write, load_class_names, load_section
from ...networks.consulting import ConsultingNetwork, last_linear
from ...networks.pretrained import load_pretrained
from ..studies.study_runs import run_training, training_job
from .case_shifts import SHIFTS

__all__ = [
    "CaseFeatures",
    "case_class_names",
    "chosen_cases",
    "features_of",
    "home_and_other",
    "home_and_site",
]

Items = list[dict[str, Any]]


class CaseFeatures(NamedTuple):
    """One row per case, on the CPU.

    Args:
        features: of the last layer ``(N, F)`` float32.
        logits: of the network ``(N, K)`` float32.
        labels: ``(N,)`` int64.
        groups: opaque ids of the patients ``(N,)`` int64.
        ids: opaque ids of the cases ``(N,)`` int64.
    """

    features: Tensor
    logits: Tensor
    labels: Tensor
    groups: Tensor
    ids: Tensor

    def where(self, chosen: Tensor) -> CaseFeatures:
        """Some of the cases.

        Args:
            chosen: ``(N,)`` bool, or rows.

        Returns:
            these only.
        """
        return CaseFeatures(*(column[chosen] for column in self))


def case_class_names(datalist: Path) -> list[str]:
    """Names of the classes; of one finding, its absence and presence.

    Args:
        datalist: of the study.

    Returns:
        two or more.
    """
    names = load_class_names(datalist)
    return [f"no {names[0]}", names[0]] if len(names) == 1 else list(names)


def home_and_other(data: Path, other: Path, section: str, seed: int, cases: int, without: int) -> dict[str, Items]:
    """Two hospitals' folders: the network is trained on cases of one, and half of the other's patients are added.

    Args:
        data: prepared folder of the home.
        other: prepared folder of the site; all its sections count.
        section: of the home's datalist, to test on.
        seed: of the draws.
        cases: to train on, evenly of all classes.
        without: a class that the home has none of; -1 for none.

    Returns:
        items of ``home``, ``site``, ``test`` (the site's other patients) and ``home test``.

    Raises:
        ValueError: when there are too few cases of a class, or the hospitals' classes differ.
    """
    names = {folder: case_class_names(folder / "datalist.json") for folder in (data, other)}
    if names[data] != names[other]:
        raise ValueError(
            f"{data} has the classes {names[data]}, {other} has {names[other]}: prepare both with the same classes in "
            "the same order."
        )
    found = home_and_site(data, section, seed, cases, False, without)
    items = [
        item for name in ("training", "validation", "test") for item in load_section(other / "datalist.json", name)
    ]
    patients = sorted({item["group_id"] for item in items})
    random.Random(seed).shuffle(patients)
    added = set(patients[: len(patients) // 2])
    site, test = ([item for item in items if (item["group_id"] in added) == wanted] for wanted in (True, False))
    return {"home": found["home"], "site": site, "test": test, "home test": found["test"]}


def home_and_site(data: Path, section: str, seed: int, cases: int, screen: bool, without: int) -> dict[str, Items]:
    """Whose cases the network is trained on, whose are added later, and whose it is tested on: different patients each.

    Patients of the training section are drawn until every class has its share of the cases to train on; they are the
    home. Those left are the site's.

    Args:
        data: prepared folder.
        section: of the datalist, to test on.
        seed: of the draw.
        cases: to train on, evenly of all classes.
        screen: test on a quarter of the training section's patients, so that nothing is chosen on ``section``.
        without: a class that the home has none of; -1 for none.

    Returns:
        items of ``home``, ``site`` and ``test``.

    Raises:
        ValueError: when there are too few cases of a class.
    """
    path, draw = data / "datalist.json", random.Random(seed)
    items = load_section(path, "training")
    patients = sorted({item["group_id"] for item in items})
    draw.shuffle(patients)
    tested = set(patients[: len(patients) // 4]) if screen else set()
    test = [item for item in items if item["group_id"] in tested] if screen else load_section(path, section)
    left = [patient for patient in patients if patient not in tested]
    home, at_home = _home(items, left, cases, draw, without)
    site = [item for item in items if item["group_id"] not in at_home | tested]
    return {"home": home, "site": site, "test": test}


def _home(
    items: Items, patients: Sequence[int], cases: int, draw: random.Random, without: int
) -> tuple[Items, set[int]]:
    classes = sorted({_label(item) for item in items} - {without})
    share = cases // len(classes)
    found: dict[int, Items] = {label: [] for label in classes}
    taken: set[int] = set()
    for patient in patients:
        if all(len(of_class) >= share for of_class in found.values()):
            break
        taken.add(patient)
        for item in items:
            if item["group_id"] == patient and _label(item) != without:
                found[_label(item)].append(item)
    short = [label for label, of_class in found.items() if len(of_class) < share]
    if short or not share:
        raise ValueError(f"there are no {share} training cases of class {short}: train on fewer than {cases} cases.")
    return [item for of_class in found.values() for item in draw.sample(of_class, share)], taken


def _label(item: Mapping[str, Any]) -> int:
    return int(item["label"] if "label" in item else item["labels"][0])


def features_of(
    path: Path,
    bundle: Path,
    settings: dict[str, Any],
    parts: Mapping[str, Items],
    shifts: Sequence[str],
    body: str,
    made_of: Mapping[str, Any],
) -> dict[str, CaseFeatures]:
    """Train a bundle's network on the home's cases, and look at all cases as they are and as other sites see them.

    Args:
        path: ``npz`` that keeps what was found, and what it was made of; read where it exists.
        bundle: folder of the bundle.
        settings: of its ``train.yaml``; ``seed`` among them.
        parts: see :func:`home_and_site`; only ``home`` must be there.
        shifts: of ``case_shifts.SHIFTS``; ``"none"`` among them.
        body: ``"trained"``; ``"frozen"``: the head alone is trained; ``"pretrained"``: nothing is.
        made_of: settings of the study, as JSON knows them, which decide on all of the above but the shifts.

    Returns:
        ``home``, and ``<part>/<shift>`` of all other parts.

    Raises:
        ValueError: when ``path`` was made of something else, or lacks a shift.
    """
    made_of = {**made_of, "body": body}
    if not path.exists():
        parser = training_job(bundle, "validation", dict(settings), reports=[])
        parser["train"]["dataset"]["data"] = [dict(item) for item in parts["home"]]
        network = parser.get_parsed_content("network")  # first of all: data loaders draw random numbers too
        if encoder := settings.get("study_encoder"):
            load_pretrained(network, encoder)
        if body != "pretrained":
            last_linear(network.requires_grad_(body == "trained"))[1].requires_grad_(True)
            run_training(parser)
        found = {"home": _look(parser, network.eval(), parts["home"], "none")}
        asked = [part for part in parts if part != "home"]
        found |= {f"{part}/{s}": _look(parser, network, parts[part], s) for part in asked for s in shifts}
        _save(path, found, made_of)
    found = _load(path, made_of)
    missing = [name for part in parts if part != "home" for s in shifts if (name := f"{part}/{s}") not in found]
    if missing:
        raise _other_features(path, f"has nothing of {', '.join(missing)}")
    return found


@torch.no_grad()
def _look(parser: Any, network: torch.nn.Module, items: Items, shift: str) -> CaseFeatures:
    from monai.data import DataLoader, Dataset
    from monai.transforms import Compose

    steps = list(parser.get_parsed_content("validate::preprocessing").transforms)
    loaded = len(parser.get_parsed_content("train::deterministic_transforms"))
    dataset = Dataset(items, Compose([*steps[:loaded], *SHIFTS[shift], *steps[loaded:]]))
    consulting, rows = ConsultingNetwork(network), []
    for batch in DataLoader(dataset, batch_size=64):
        known = {"channel_mask": batch["channel_mask"]} if "channel_mask" in batch else {}
        rows.append(consulting.describe(batch["image"], **known))
    features, logits = (torch.cat(column).as_subclass(Tensor) for column in zip(*rows))
    if logits.shape[1] == 1:  # of one finding: its log odds
        logits = torch.cat([-logits / 2, logits / 2], dim=1)
    columns = [
        [_label(item) for item in items],
        *([item[name] for item in items] for name in ("group_id", "sample_id")),
    ]
    return CaseFeatures(features, logits, *(torch.tensor(column) for column in columns))


def _save(path: Path, found: Mapping[str, CaseFeatures], made_of: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{part}/{name}": t.numpy() for part, cases in found.items() for name, t in cases._asdict().items()}
    with atomic_write(path) as file:
        np.savez(file, made_of=np.array(json.dumps(made_of)), **arrays)


def _load(path: Path, made_of: Mapping[str, Any]) -> dict[str, CaseFeatures]:
    with np.load(path, allow_pickle=False) as arrays:
        if "made_of" not in arrays.files:
            raise _other_features(path, "does not tell what it was made of")
        kept = json.loads(str(arrays["made_of"]))
        other = sorted(name for name in {*kept, *made_of} if kept.get(name) != made_of.get(name))
        if other:
            raise _other_features(path, f"was made with another {', '.join(other)}")
        parts = dict.fromkeys(name.rsplit("/", 1)[0] for name in arrays.files if "/" in name)
        return {
            part: CaseFeatures(*(torch.from_numpy(arrays[f"{part}/{field}"]) for field in CaseFeatures._fields))
            for part in parts
        }


def _other_features(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} {why}: give another --out, or delete this file to have it made anew.")


def chosen_cases(cases: CaseFeatures, per_class: int, seed: int) -> CaseFeatures:
    """Some cases of each class; smaller choices are parts of larger ones.

    Args:
        cases: of a site.
        per_class: at most so many.
        seed: of the draw.

    Returns:
        these only.
    """
    order = torch.randperm(len(cases.labels), generator=torch.Generator().manual_seed(seed)).tolist()
    seen: Counter[int] = Counter()
    rows = []
    for row in order:
        label = int(cases.labels[row])
        seen[label] += 1
        if seen[label] <= per_class:
            rows.append(row)
    return cases.where(torch.tensor(rows, dtype=torch.int64))
