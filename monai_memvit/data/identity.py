"""Opaque numbers for samples and groups: keyed digests that only the holder of a secret file can redo."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NoReturn

from .atomic import sync_folder, temporary_beside

__all__ = ["IDENTITY_FILE", "IdentityKey", "id_map"]

IDENTITY_FILE = "identity.key"
_FORMAT = re.compile(r"[0-9a-f]{64}\n")


def _first_63_bits(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big") >> 1


class IdentityKey:
    """The secret that turns sample and group keys into opaque ids.

    Two holders of the same key agree on every id without a table, so workers and ranks need no common index; without
    the key an id tells nothing about a patient, not even to someone who tries all patient numbers. The secret is shown
    neither by ``repr`` nor in an error, and an object refuses to be pickled.

    Args:
        secret: 32 random bytes.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise ValueError(f"an identity secret has 32 bytes, got {len(secret)}")
        self._secret = secret

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> IdentityKey:
        """Read ``identity.key`` of a folder.

        Raises:
            ValueError: where the file is absent or malformed.
        """
        path = Path(folder) / IDENTITY_FILE
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist: copy it from where the data were prepared") from None
        except UnicodeDecodeError:
            text = ""
        if not _FORMAT.fullmatch(text):
            raise ValueError(
                f"{path} is malformed ({path.stat().st_size} bytes instead of 64 hexadecimal digits and a newline): "
                "restore it from a copy, or delete it and prepare the data again (all ids change)"
            )
        return cls(bytes.fromhex(text))

    @classmethod
    def load_or_create(cls, folder: str | os.PathLike[str]) -> IdentityKey:
        """Read ``identity.key`` of a folder, making the folder and a new key (mode 600) where there is none.

        Of several processes that start at once one makes the key and all return the same: the complete file is linked
        into place, and a link never replaces.

        Raises:
            ValueError: where an existing file is malformed.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / IDENTITY_FILE
        if not path.exists():
            _create_exclusively(path, secrets.token_bytes(32).hex() + "\n")
        return cls.load(folder)

    def identify(self, key: str) -> int:
        """Return the first 63 bits of the keyed BLAKE2b digest of ``key``: an id that fits int64, never negative."""
        return _first_63_bits(blake2b(key.encode("utf-8"), key=self._secret).digest())

    def __repr__(self) -> str:
        return "IdentityKey(<secret>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an IdentityKey is not pickled: the secret stays in its file, load it from there")


def _create_exclusively(path: Path, text: str) -> None:
    with temporary_beside(path, 0o600) as (temporary, file):
        file.write(text.encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key counts
            os.link(temporary, path)
    sync_folder(path.parent)


def id_map(ids: Iterable[int], fingerprint: str = "") -> int:
    """Digest a set of ids into one 63-bit number, whatever their order.

    A datalist keeps the number of its ids, which tells whether they are whole. A checkpoint keeps beside its bank of
    cases the number of ids and content: where that of a datalist differs, the bank's ids mean other samples. Ids alone
    would not tell: two archives have the same ones under one identity key where samples are named by position.

    Args:
        ids: non-negative int64 ids.
        fingerprint: of the content that the ids stand for.

    Returns:
        The first 63 bits of the BLAKE2b digest of the sorted ids (8 bytes each, big-endian) and the fingerprint.
    """
    digest = blake2b()
    for number in sorted(int(i) for i in ids):
        digest.update(number.to_bytes(8, "big"))
    digest.update(fingerprint.encode("utf-8"))
    return _first_63_bits(digest.digest())
