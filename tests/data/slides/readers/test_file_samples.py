"""The digest of large files: of their content, not of their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monai_memvit.data.slides.readers.file_samples import sampled_digest


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_size_ends_and_samples_count(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3_000_000)
    changed = [content[:10] + b"?" + content[11:], content[:-9] + b"?" + content[-8:], content + b"?"]
    place = len(content) * 5 // 17
    changed.append(content[:place] + bytes(4096) + content[place + 4096 :])
    digests = [sampled_digest([write(tmp_path / str(i), c)]) for i, c in enumerate([content, *changed])]
    assert len(set(digests)) == 5
    assert sampled_digest([write(tmp_path / "other", content)]) == digests[0]


def test_the_order_of_files_does_not_count(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1", b"one"), write(tmp_path / "2", b"two")
    assert sampled_digest([one, two]) == sampled_digest([two, one]) != sampled_digest([one])
