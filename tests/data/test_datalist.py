"""A datalist reads back what was written, and says what is wrong with any other."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_memvit.data import (
    Case,
    Datalist,
    IdentityKey,
    id_map,
    load_case_index,
    load_channel_names,
    load_class_names,
    load_fingerprint,
    load_id_map,
    load_num_channels,
    load_section,
    nested_subset,
)

Change = Callable[[dict[str, Any]], Any]


def make(folder: Path) -> Datalist:
    """A valid datalist of 12 + 4 + 4 samples, two per patient."""
    identity = IdentityKey.load_or_create(folder)

    def item(number: int) -> dict[str, Any]:
        sample, group = f"secret-{number}", f"patient-{number // 2}"
        return {
            "image": f"images/{number}.png",
            "label": number % 2,
            "sample_key": sample,
            "group_key": group,
            "sample_id": identity.identify(sample),
            "group_id": identity.identify(group),
        }

    items = [item(number) for number in range(20)]
    ids = id_map(i["sample_id"] for i in items)
    sections = {"training": items[:12], "validation": items[12:16], "test": items[16:]}
    return Datalist("set", ["benign", "tumour"], 3, "ab" * 32, ids, sections)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make(tmp_path).save(tmp_path / "datalist.json")
    return tmp_path / "datalist.json"


def test_what_is_saved_is_loaded(path: Path) -> None:
    original = make(path.parent)
    loaded = Datalist.load(path)
    assert loaded == original
    assert load_class_names(path) == ["benign", "tumour"]
    numbers = [item["sample_id"] for items in original.sections.values() for item in items]
    assert load_id_map(path) == id_map(numbers, original.fingerprint)
    assert load_fingerprint(path) == "ab" * 32
    assert load_num_channels(path) == 3


def test_a_section_holds_no_key_of_a_patient(path: Path) -> None:
    items = load_section(path, "training")
    assert "secret" not in str(items) and "patient" not in str(items)
    assert {tuple(item) for item in items} == {("image", "label", "sample_id", "group_id")}
    assert [item["image"] for item in items] == [str(path.parent / "images" / f"{n}.png") for n in range(12)]
    assert "secret" not in repr(Datalist.load(path))


def test_slices_and_channels_are_handed_on(tmp_path: Path) -> None:
    datalist = make(tmp_path)
    datalist.channel_names = ["t1", "t2", "flair"]
    datalist.sections["test"][1] |= {"slice": 7, "channel_mask": [True, False, True], "case_id": 2**63 - 1}
    datalist.save(tmp_path / "datalist.json")
    assert Datalist.load(tmp_path / "datalist.json") == datalist
    assert load_channel_names(tmp_path / "datalist.json") == ["t1", "t2", "flair"]
    first, second = load_section(tmp_path / "datalist.json", "test")[:2]
    assert "case_id" not in first and second["case_id"] == 2**63 - 1
    assert "slice" not in first and (second["slice"], second["channel_mask"]) == (7, [True, False, True])
    index = load_case_index(tmp_path / "datalist.json")
    assert index[second["sample_id"]].slice == 7 and index[first["sample_id"]].slice is None


def test_a_fraction_of_a_section_is_the_nested_subset(path: Path) -> None:
    items = load_section(path, "training")
    chosen = nested_subset([item["label"] for item in items], 0.5, 7)
    assert load_section(path, "training", 0.5, 7) == [items[i] for i in chosen]


def test_absolute_images_stay(path: Path) -> None:
    content = json.loads(path.read_text())
    content["test"][0]["image"] = "/elsewhere/a.tif"
    path.write_text(json.dumps(content))
    assert load_section(path, "test")[0]["image"] == "/elsewhere/a.tif"


def test_images_are_absolute_for_a_relative_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert Path(load_section("datalist.json", "test")[0]["image"]).is_absolute()


def test_the_case_index_tells_who_is_behind_an_id(path: Path) -> None:
    item = make(path.parent).sections["validation"][1]
    expected = Case("secret-13", "patient-6", 1, path.parent / "images/13.png", "validation")
    index = load_case_index(path)
    assert len(index) == 20
    assert index[item["sample_id"]] == expected


def test_the_case_index_takes_in_the_cases_of_other_datalists(path: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    other.save(tmp_path / "other" / "datalist.json")
    index = load_case_index(path, added=[tmp_path / "other" / "datalist.json"])
    assert len(index) == 40
    item = other.sections["test"][0]
    assert index[item["sample_id"]].image == tmp_path / "other" / item["image"]


LOADERS: list[Callable[[Path], Any]] = [
    load_class_names,
    load_id_map,
    load_num_channels,
    load_fingerprint,
    load_case_index,
    lambda path: load_section(path, "training"),
]


def test_the_file_is_read_once_until_it_changes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []
    load = Datalist.load
    monkeypatch.setattr(Datalist, "load", lambda path: reads.append(path) or load(path))
    for loader in LOADERS * 2:
        loader(path)
    assert len(reads) == 1
    changed = make(path.parent)
    changed.class_names = ["harmless", "tumour"]
    changed.save(path)
    assert load_class_names(path) == ["harmless", "tumour"]
    (path.parent / "identity.key").write_text("0" * 64 + "\n")
    with pytest.raises(ValueError, match="was not made with the identity.key"):
        load_class_names(path)


def test_callers_cannot_spoil_what_others_read(path: Path) -> None:
    load_class_names(path).clear()
    load_case_index(path).clear()
    items = load_section(path, "training")
    items.pop()["label"] = 7
    items[0]["image"] = "elsewhere"
    assert load_class_names(path) == ["benign", "tumour"]
    assert len(load_case_index(path)) == 20
    assert [item["label"] for item in load_section(path, "training")] == [0, 1] * 6
    assert "elsewhere" not in str(load_section(path, "training"))


def test_monai_reads_it_too(path: Path) -> None:
    from monai.data import load_decathlon_datalist

    items = load_decathlon_datalist(str(path), is_segmentation=False, data_list_key="training")
    ours = load_section(path, "training")
    assert [(i["image"], i["label"], i["sample_id"]) for i in items] == [
        (i["image"], i["label"], i["sample_id"]) for i in ours
    ]


def test_an_unknown_section_is_named(path: Path) -> None:
    with pytest.raises(ValueError, match="'train' is unknown.*training, validation, test"):
        load_section(path, "train")


def test_an_empty_test_section_is_refused_only_when_asked_for(tmp_path: Path) -> None:
    datalist = make(tmp_path)
    datalist.sections["test"] = []
    datalist.id_map = id_map(i["sample_id"] for items in datalist.sections.values() for i in items)
    datalist.save(tmp_path / "datalist.json")
    assert len(load_section(tmp_path / "datalist.json", "validation")) == 4
    with pytest.raises(ValueError, match=r"datalist\.json: section 'test' is empty"):
        load_section(tmp_path / "datalist.json", "test")


def put(section: str, position: int, **values: Any) -> Change:
    """A change of one item."""
    return lambda content: content[section][position].update(values)


BAD: dict[str, tuple[Change, str]] = {
    "version": (lambda c: c.update(format="monai_memvit-datalist/2"), "monai_memvit-datalist/2.*this version reads"),
    "no format": (lambda c: c.pop("format"), "format None"),
    "no fingerprint": (lambda c: c.pop("fingerprint"), "lacks the field 'fingerprint'"),
    "no section": (lambda c: c.pop("validation"), "lacks the field 'validation'"),
    "kind of field": (lambda c: c.update(num_channels="3"), "'num_channels' is '3'"),
    "bool is no number": (lambda c: c.update(num_channels=True), "'num_channels' is True"),
    "no channels": (lambda c: c.update(num_channels=0), "num_channels is 0"),
    "repeated class": (lambda c: c.update(class_names=["a", "a"]), "not distinct"),
    "no item": (lambda c: c["test"].append(3), r"test\[4\] is a int"),
    "missing label": (lambda c: c["training"][3].pop("label"), r"training\[3\] lacks the field 'label'"),
    "label of text": (put("training", 3, label="1"), r"training\[3\] has label = '1'"),
    "empty key": (put("training", 3, sample_key=""), r"training\[3\] has sample_key = ''"),
    "unknown class": (put("test", 1, label=2), r"test\[1\] has the unknown class 2.*benign, tumour"),
    "negative class": (put("test", 1, label=-1), "unknown class -1"),
    "one class": (lambda c: [i.update(label=1) for i in c["training"]], "one class only .'tumour'"),
    "empty training": (lambda c: c.update(training=[]), "'training' is empty"),
    "empty validation": (lambda c: c.update(validation=[]), "'validation' is empty"),
    "leak": (put("test", 0, group_key="patient-0"), "group 'patient-0' is in 'training' and in 'test'"),
    "duplicate": (put("training", 1, sample_key="secret-0"), "'secret-0' occurs twice"),
    "foreign id": (put("training", 1, sample_id=5), r"sample_id 5 was not made with the identity\.key"),
    "foreign group id": (
        lambda c: [i.update(group_id=5) for i in c["training"][:2]],
        r"group_id 5 was not made with the identity\.key",
    ),
    "id too large": (put("training", 1, sample_id=2**63), "outside 0"),
    "negative case id": (put("test", 1, case_id=-1), r"test\[1\] has case_id = -1, not an id"),
    "case id too large": (put("test", 1, case_id=2**63), "not an id"),
    "case id of text": (put("test", 1, case_id="5"), "has case_id = '5'"),
    "case id of truth": (put("test", 1, case_id=True), "has case_id = True"),
    "slice": (put("test", 1, slice=-1), r"test\[1\] has slice = -1"),
    "mask of numbers": (put("test", 1, channel_mask=[1, 1, 1]), "not a list of true and false"),
    "mask of two": (put("test", 1, channel_mask=[True, True]), "but images have 3 channels"),
    "no channel": (put("test", 1, channel_mask=[False] * 3), "one of which must be there"),
    "two names": (lambda c: c.update(channel_names=["t1", "t2"]), "are not 3 distinct names"),
    "same names": (lambda c: c.update(channel_names=["t1", "t2", "t2"]), "are not 3 distinct names"),
    "id map": (lambda c: c.update(id_map=1), "id_map is 1, but its sample ids give"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_content_is_named_with_the_file(path: Path, name: str) -> None:
    change, message = BAD[name]
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as caught:
        Datalist.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", '{"format": ', "\x00", "[]"])
def test_malformed_json_is_named(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ValueError, match=r"datalist\.json (is not valid JSON|holds a list)"):
        Datalist.load(path)


def test_absent_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist: make it"):
        Datalist.load(tmp_path / "datalist.json")
    with pytest.raises(ValueError, match="is a folder"):
        Datalist.load(tmp_path)


def test_colliding_ids_are_named(tmp_path: Path) -> None:
    datalist = make(tmp_path)
    first, second = datalist.sections["training"][:2]
    second["sample_id"] = first["sample_id"]
    with pytest.raises(ValueError, match="'secret-0' and 'secret-1' have the same id"):
        datalist.validate()


def test_another_identity_key_is_noticed(path: Path) -> None:
    (path.parent / "identity.key").write_text("ab" * 32 + "\n")
    with pytest.raises(ValueError, match="was not made with the identity.key in this folder"):
        load_section(path, "training")


def test_without_the_key_a_datalist_still_serves(path: Path) -> None:
    (path.parent / "identity.key").unlink()
    assert len(load_section(path, "training")) == 12


def test_an_invalid_datalist_is_not_written(path: Path) -> None:
    before = path.read_bytes()
    bad = copy.deepcopy(make(path.parent))
    bad.sections["training"] = []
    with pytest.raises(ValueError, match="empty"):
        bad.save(path)
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == ["datalist.json", "identity.key"]


def make_multi_label(folder: Path) -> Datalist:
    """The valid datalist with three findings in place of classes; the third is shown by one image of training."""
    datalist = make(folder)
    datalist.class_names, datalist.multi_label = ["nodule", "effusion", "rare"], True
    for items in datalist.sections.values():
        for position, item in enumerate(items):
            item["labels"] = [item.pop("label"), -1, int(position == 3)]
    return datalist


def test_several_findings_per_image(tmp_path: Path) -> None:
    path = tmp_path / "datalist.json"
    datalist = make_multi_label(tmp_path)
    datalist.save(path)
    assert Datalist.load(path) == datalist
    assert json.loads(path.read_text())["multi_label"] is True
    items = load_section(path, "training")
    assert {tuple(item) for item in items} == {("image", "sample_id", "group_id", "labels")}
    assert items[3]["labels"] == [1.0, -1.0, 1.0] and all(type(label) is float for label in items[3]["labels"])
    items[3]["labels"].clear()
    assert load_section(path, "training")[3]["labels"] == [1.0, -1.0, 1.0]
    case = load_case_index(path)[items[3]["sample_id"]]
    assert (case.label, case.labels) == (-1, (1.0, -1.0, 1.0))


def test_a_datalist_of_classes_says_nothing_of_findings(path: Path) -> None:
    assert "multi_label" not in json.loads(path.read_text())
    assert {case.labels for case in load_case_index(path).values()} == {None}


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.75, 1.0])
def test_a_fraction_of_findings_is_nested_and_keeps_the_rare(tmp_path: Path, fraction: float) -> None:
    path = tmp_path / "datalist.json"
    make_multi_label(tmp_path).save(path)
    everything = load_section(path, "training")
    strata = [2 if position == 3 else 0 if position % 2 else 3 for position in range(12)]
    chosen = nested_subset(strata, fraction, 5)
    assert load_section(path, "training", fraction, 5) == [everything[i] for i in chosen]
    assert any(item["labels"][2] == 1 for item in load_section(path, "training", fraction, 5))


def strip_labels(content: dict[str, Any], *values: Any) -> None:
    """Give every training image labels that say too little."""
    for item in content["training"]:
        item["labels"] = list(values)


BAD_FINDINGS: dict[str, tuple[Change, str]] = {
    "no labels": (lambda c: c["test"][1].pop("labels"), r"test\[1\] lacks the field 'labels'"),
    "no list": (put("test", 1, labels=1), r"test\[1\] has labels = 1, not a list"),
    "too few": (put("test", 1, labels=[1, 0]), r"test\[1\] has labels = \[1, 0\], not 1, 0 or -1 for each of the 3"),
    "another number": (put("test", 1, labels=[1, 0, 2]), "not 1, 0 or -1"),
    "truth": (put("test", 1, labels=[True, 0, 0]), "not 1, 0 or -1"),
    "text": (put("test", 1, labels=["1", 0, 0]), "not 1, 0 or -1"),
    "kind": (lambda c: c.update(multi_label="yes"), "multi_label is 'yes', not true or false"),
    "nothing to learn": (lambda c: strip_labels(c, 1, -1, 0), "shows none of nodule, effusion, rare both"),
    "empty training": (lambda c: c.update(training=[]), "'training' is empty"),
    "no classifier of classes": (lambda c: c.pop("multi_label"), r"training\[0\] lacks the field 'label'"),
}


@pytest.mark.parametrize("name", BAD_FINDINGS)
def test_bad_findings_are_named_with_the_file(tmp_path: Path, name: str) -> None:
    change, message = BAD_FINDINGS[name]
    path = tmp_path / "datalist.json"
    make_multi_label(tmp_path).save(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as caught:
        Datalist.load(path)
    assert str(path) in str(caught.value)
