"""The README keeps its word."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_length() -> None:
    assert 60 <= README.count("\n") <= 100


def test_the_example_runs(capsys: object) -> None:
    example = re.search(r"```python\n(.*?)```", README, re.S)[1]
    assert sum(1 for line in example.splitlines() if line.strip()) <= 15
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2
    assert names["logits"].shape == (8, 4)
    assert len(names["layer"].bank) == 7


def test_links_within_the_repository_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("bundles/*/docs/*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text())]
    assert links
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []
