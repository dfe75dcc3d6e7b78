"""The Python of the how-to pages that need no data of one's own runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["large_images.md"])
def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with torch.no_grad():
        for block in re.findall(r"```python\n(.*?)```", (HOW_TO / page).read_text(), re.S):
            exec(compile(block, page, "exec"), names)
    assert all(torch.isfinite(x).all() for x in names.values() if isinstance(x, torch.Tensor))
