"""The folder of pre-trained weights: who begins with which, and what tells folders apart."""

from __future__ import annotations

import pytest

from monai_memvit.benchmarks.cases.case_encoders import encoder_of, encoders_digest


def _folder(path, **files):
    path.mkdir()
    for name, content in files.items():
        (path / f"{name}.pt").write_bytes(content)
    return path


def test_seeds_take_the_weights_in_turns(tmp_path):
    folder = _folder(tmp_path / "both", b=b"2", a=b"1")
    assert [encoder_of(folder, seed).name for seed in range(4)] == ["a.pt", "b.pt", "a.pt", "b.pt"]


def test_the_digest_is_that_of_names_and_bytes(tmp_path):
    one = _folder(tmp_path / "one", a=b"1", b=b"2")
    same = _folder(tmp_path / "same", b=b"2", a=b"1")
    (same / "notes.txt").write_text("not weights")
    others = [
        _folder(tmp_path / "bytes", a=b"1", b=b"3"),
        _folder(tmp_path / "names", a=b"1", c=b"2"),
        _folder(tmp_path / "swapped", a=b"2", b=b"1"),
        _folder(tmp_path / "fewer", a=b"1"),
    ]
    assert encoders_digest(one) == encoders_digest(same)
    assert len({encoders_digest(folder) for folder in (one, *others)}) == 5


@pytest.mark.parametrize("ask", [encoders_digest, lambda folder: encoder_of(folder, 0)])
def test_a_folder_without_weights_is_told(tmp_path, ask):
    with pytest.raises(ValueError, match="has no"):
        ask(tmp_path)
