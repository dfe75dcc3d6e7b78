"""Ids are keyed digests, equal for all holders of the key, and the key does not show."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from monai_memvit.data import IdentityKey, id_map


def test_an_id_is_the_first_63_bits_of_keyed_blake2b(tmp_path: Path) -> None:
    identity = IdentityKey.load_or_create(tmp_path)
    secret = bytes.fromhex((tmp_path / "identity.key").read_text().strip())
    for key in ("", "patient 7/slice 3", "Größe"):
        bits = "".join(f"{byte:08b}" for byte in hashlib.blake2b(key.encode(), key=secret).digest())
        assert identity.identify(key) == int(bits[:63], 2)
        assert int(np.int64(identity.identify(key))) == identity.identify(key)


def test_the_key_file_is_private_and_kept(tmp_path: Path) -> None:
    first = IdentityKey.load_or_create(tmp_path / "new" / "folder").identify("a")
    path = tmp_path / "new" / "folder" / "identity.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["identity.key"]
    assert IdentityKey.load_or_create(path.parent).identify("a") == first
    assert IdentityKey.load(path.parent).identify("a") == first
    assert IdentityKey.load_or_create(tmp_path / "other").identify("a") != first


def test_all_who_start_at_once_get_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(lambda _: IdentityKey.load_or_create(tmp_path).identify("a"), range(64)))
    assert len(ids) == 1
    assert os.listdir(tmp_path) == ["identity.key"]


def test_the_secret_does_not_show(tmp_path: Path) -> None:
    identity = IdentityKey.load_or_create(tmp_path)
    secret = (tmp_path / "identity.key").read_text().strip()
    assert secret not in repr(identity) + str(identity) + str(vars(type(identity)))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(identity)


@pytest.mark.parametrize("content", [b"", b"ab" * 31 + b"\n", b"AB" * 32 + b"\n", b"\xff" * 65, b"ab" * 33 + b"\n"])
def test_a_malformed_key_is_named_but_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "identity.key").write_bytes(content)
    with pytest.raises(ValueError, match=r"identity\.key is malformed.*restore") as caught:
        IdentityKey.load_or_create(tmp_path)
    assert "abab" not in str(caught.value)
    assert (tmp_path / "identity.key").read_bytes() == content


def test_an_absent_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"identity\.key does not exist"):
        IdentityKey.load(tmp_path)


def test_a_secret_has_its_length() -> None:
    with pytest.raises(ValueError, match="32 bytes, got 3"):
        IdentityKey(b"abc")


def test_id_map_is_the_digest_of_the_sorted_ids() -> None:
    ids = np.random.default_rng(0).integers(0, 2**63 - 1, 100)
    digest = hashlib.blake2b(np.sort(ids).astype(">i8").tobytes()).digest()
    assert id_map(ids.tolist()) == int.from_bytes(digest, "big") >> (512 - 63)
    assert id_map(ids[::-1]) == id_map(ids)
    assert id_map(ids[1:]) != id_map(ids)
    assert 0 <= id_map([]) < 2**63


def test_id_map_tells_contents_of_the_same_ids_apart() -> None:
    digest = hashlib.blake2b((5).to_bytes(8, "big") + b"ab").digest()
    assert id_map([5], "ab") == int.from_bytes(digest, "big") >> (512 - 63)
