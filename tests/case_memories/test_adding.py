"""Cases of another site added to a bundle's memory: what is taken in, refused, left out and told."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_memvit.case_memories import BundleChoice, add_cases, remove_cases
from monai_memvit.data import Datalist, load_section
from monai_memvit.networks.consulting import load_case_memory
from monai_memvit.networks.nets import MoViT


def stored(choice: BundleChoice) -> dict[str, Any]:
    return torch.load(choice.memory_path, weights_only=True)


def ids_of(path: Path, section: str) -> list[int]:
    return [item["sample_id"] for item in load_section(path, section)]


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_training_and_new_cases_are_taken_in_and_nobody_is_named(
    choice: BundleChoice, folder: Path, site: Path
) -> None:
    report = add_cases(choice, site)
    state, home = stored(choice), folder / "home" / "datalist.json"
    learned = dict(zip(state["ids"].tolist(), state["learned"].tolist()))
    assert learned == {i: False for i in ids_of(site, "training")} | {i: True for i in ids_of(home, "training")}
    assert (report.changed, report.learned) == (len(ids_of(site, "training")), len(ids_of(home, "training")))
    assert [judged.cases for judged in report.judgements] == [len(ids_of(d, "validation")) for d in (site, home)]
    assert report.choices["penalty"] > 0 and not report.left_out
    assert {type(value) for value in state.values()} == {torch.Tensor, dict}
    assert set(state["_extra_state"]) == {"class_names", "network", "preparation"}
    assert str(report).count("->") == 6 and "old site" in str(report)


def test_the_report_tells_what_the_network_says_with_its_memory(choice: BundleChoice, site: Path) -> None:
    report = add_cases(choice, site)
    network = MoViT.from_preset("micro", in_channels=3, img_size=24, num_classes=4, memory_layers=[])
    network.load_state_dict(torch.load(choice.checkpoint, weights_only=True))
    right = dict.fromkeys(("before", "after"), 0)
    items = load_section(site, "validation")
    for item in items:
        image = picture(item["image"])
        for when, asked in (("before", network), ("after", load_case_memory(network, choice.memory_path))):
            right[when] += int(asked.eval()(image).argmax()) == item["label"]
    for when, figures in (("before", report.judgements[0].before), ("after", report.judgements[0].after)):
        assert figures["accuracy"] == pytest.approx(right[when] / len(items))


def picture(path: str) -> torch.Tensor:
    """As ``train.yaml`` prepares it for validation."""
    import numpy as np
    from monai.transforms import Resize
    from PIL import Image

    pixels = torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 1, 0).float()
    resized = Resize((27, 27), mode="bilinear", anti_aliasing=True)(pixels)
    return (resized[None, :, 1:25, 1:25] / 255 - 0.5) / 0.5


def test_a_second_section_extends_and_the_same_cases_are_refused(choice: BundleChoice, site: Path) -> None:
    add_cases(choice, site, with_training=False)
    first = stored(choice)["ids"]
    with pytest.raises(ValueError, match=r"in the memory already, the first: .+memory remove"):
        add_cases(choice, site)
    assert torch.equal(stored(choice)["ids"], first)
    add_cases(choice, site, section="validation")
    assert set(stored(choice)["ids"].tolist()) == {*first.tolist(), *ids_of(site, "validation")}


def test_cases_of_the_old_site_that_are_added_do_not_judge(
    choice: BundleChoice, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = folder / "home" / "datalist.json"
    items = Datalist.load(home).sections["validation"]
    patients = {item["group_id"] for item in items}
    with caplog.at_level(logging.INFO):
        report = add_cases(choice, home, section="validation", judge_on="test")
    assert [(judged.name, judged.cases) for judged in report.judgements] == [("home, test", len(ids_of(home, "test")))]
    told = {"name": "home, validation (old site)", "cases": len(items), "groups": len(patients), "left": 0}
    assert report.content()["not_judged"] == [told]
    counted = f"{len(items)} case(s) of {len(patients)} patient(s)"
    assert f"home, validation (old site): NOT JUDGED, for all it has are {counted}" in str(report)
    for item in items:
        assert str(item["group_id"]) in caplog.text and item["sample_key"] not in caplog.text
        assert item["sample_key"] not in json.dumps(report.content()) + str(report)


def test_cases_that_were_added_before_do_not_judge(choice: BundleChoice, folder: Path, site: Path) -> None:
    add_cases(choice, site, section="validation")
    report = add_cases(choice, site)
    assert [judged.name for judged in report.judgements] == ["home, validation (old site)"]
    assert [(kept_out.name, kept_out.left) for kept_out in report.not_judged] == [("site, validation", 0)]
    remove_cases(choice, site)
    add_cases(choice, folder / "home" / "datalist.json", section="validation")
    nothing = add_cases(choice, site)
    assert not nothing.judgements and len(nothing.not_judged) == 2
    assert "judged on nothing" in str(nothing) and str(nothing).count("NOT JUDGED") == 2


def test_no_case_judges_whose_patient_is_in_the_memory_by_another(choice: BundleChoice, site: Path) -> None:
    items = load_section(site, "validation")
    kept = items[0]
    add_cases(choice, site, section="validation")
    remove_cases(choice, ids=[str(item["sample_id"]) for item in items[1:]])
    report = add_cases(choice, site)
    others = sum(item["group_id"] != kept["group_id"] for item in items)
    judged = report.judgements[0]
    assert (judged.name, judged.cases, judged.groups) == (
        "site, validation",
        others,
        len({item["group_id"] for item in items}) - 1,
    )
    assert report.not_judged == [("site, validation", len(items) - others, 1, others)]
    assert f"judged without {len(items) - others} case(s) of 1 patient(s)" in str(report)


def test_unknown_classes_are_refused_by_name_or_become_new_ones(choice: BundleChoice, site: Path) -> None:
    change(site, lambda content: content.update(class_names=["fibroblast", "mitosis", "epithelial", "other"]))
    with pytest.raises(ValueError, match=r"does not know: mitosis \(\d+\); it knows fibroblast, inflammatory"):
        add_cases(choice, site)
    with pytest.raises(ValueError, match="--new-classes names lymphocyte"):
        add_cases(choice, site, new_classes=["mitosis", "lymphocyte"])
    assert not choice.memory_path.exists()
    report = add_cases(choice, site, new_classes=["mitosis"])
    assert list(report.class_names)[4:] == ["mitosis"]
    assert report.judgements[0].before["accuracy"] < 1  # nobody was told of it before


def test_images_judged_on_trained_on_or_given_twice_are_left_out(
    choice: BundleChoice, folder: Path, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    added = load_section(site, "training")
    copies = {
        "the validation section of site": load_section(site, "validation")[0],
        "the network was trained on": load_section(folder / "home" / "datalist.json", "training")[0],
        "the test section of home": load_section(folder / "home" / "datalist.json", "test")[0],
        "given twice": added[5],
    }
    for item, source in zip(added, copies.values()):
        Path(item["image"]).write_bytes(Path(source["image"]).read_bytes())
    with caplog.at_level(logging.INFO):
        report = add_cases(choice, site)
    assert len(report.left_out) == 4 and report.changed == len(added) - 4
    told = " ".join(case.message for case in report.left_out)
    assert all(what in told for what in copies)
    keys = {item["sample_id"]: item["sample_key"] for item in Datalist.load(site).sections["training"]}
    for case in report.left_out:
        assert keys[case.sample_id] in case.message
        assert str(case.sample_id) in caplog.text and keys[case.sample_id] not in caplog.text
        assert keys[case.sample_id] not in json.dumps(report.content())
        assert case.sample_id not in stored(choice)["ids"]


def test_an_unreadable_image_is_reported_and_the_rest_done(choice: BundleChoice, site: Path) -> None:
    torn = load_section(site, "training")[2]
    Path(torn["image"]).write_bytes(Path(torn["image"]).read_bytes()[:40])
    report = add_cases(choice, site)
    assert [(case.sample_id, case.cause) for case in report.left_out] == [(torn["sample_id"], "unreadable")]
    assert report.changed == len(load_section(site, "training")) - 1


def test_an_unreadable_image_of_the_training_is_reported(
    choice: BundleChoice, folder: Path, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = folder / "home" / "datalist.json"
    torn, key = load_section(home, "training")[3], Datalist.load(home).sections["training"][3]["sample_key"]
    Path(torn["image"]).write_bytes(b"torn")
    with caplog.at_level(logging.INFO):
        report = add_cases(choice, site)
    (case,) = report.left_out
    assert (case.sample_id, case.cause) == (torn["sample_id"], "unreadable") and f": {key}: " in case.message
    assert f"case {torn['sample_id']}: unreadable" in caplog.text and key not in caplog.text
    assert report.learned == len(ids_of(home, "training")) - 1
    assert report.changed == len(ids_of(site, "training"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda content: content.update(pipeline="f" * 64), r"another way \(pipeline ffffffffffff…\).*\(no pipeline"),
        (lambda content: content.update(num_channels=1), "has channels 1, but the network was trained on 3"),
    ],
)
def test_other_preparation_is_refused(
    choice: BundleChoice, site: Path, edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    change(site, edit)
    with pytest.raises(ValueError, match=message):
        add_cases(choice, site)
    assert not choice.memory_path.exists()


def test_several_findings_per_image_are_refused(choice: BundleChoice, site: Path) -> None:
    def several(content: dict[str, Any]) -> None:
        content["multi_label"] = True
        for item in (item for section in ("training", "validation", "test") for item in content[section]):
            label = item.pop("label")
            item["labels"] = [int(k == label) for k in range(4)]

    change(site, several)
    with pytest.raises(ValueError, match="one class each"):
        add_cases(choice, site)


def test_a_memory_of_other_weights_is_refused(choice: BundleChoice, site: Path) -> None:
    add_cases(choice, site)
    state = torch.load(choice.checkpoint, weights_only=True)
    torch.save(state | {"head.bias": state["head.bias"] + 1}, choice.checkpoint)
    with pytest.raises(ValueError, match=r"case_memory.pt does not fit: .*another network"):
        add_cases(choice, site, section="validation")


def test_added_cases_cannot_judge(choice: BundleChoice, site: Path) -> None:
    with pytest.raises(ValueError, match="cannot be judged on"):
        add_cases(choice, site, judge_on="training")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"bundle": Path("nowhere")}, r"train\.yaml does not exist"),
        ({"checkpoint": Path("nowhere/model.pt")}, "model.pt does not exist"),
        ({"overrides": {"memory_layers": [], "preset": "tiny"}}, "--override KEY=JSON"),
        ({"dataset_dir": Path("nowhere")}, "datalist.json does not exist"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(
    choice: BundleChoice, site: Path, edit: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        add_cases(replace(choice, **edit), site)
