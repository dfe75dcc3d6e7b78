"""An absent package is named, with the remedy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monai_memvit.data.slides.readers.needed import needed


def test_what_is_there_is_imported() -> None:
    assert needed("json.decoder").__name__ == "json.decoder"


def test_what_is_absent_is_named() -> None:
    with pytest.raises(ImportError, match=r'no_such_module .* pip install "monai_memvit\[pathology\]"'):
        needed("no_such_module")


def test_reading_slides_loads_neither_monai_nor_torch() -> None:
    code = "import sys; from monai_memvit.data.slides import TileIndex, index_slide, open_slide; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "openslide" not in loaded and "monai_memvit.data.slides.indexing" in loaded
    assert not {"monai", "torch"} & set(loaded)
