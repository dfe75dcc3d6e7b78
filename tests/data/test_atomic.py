"""A file is whole or absent, whatever ends the writer."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monai_memvit.data.atomic import atomic_write, atomic_write_bytes, atomic_write_json, atomic_write_text

WRITER = """
import sys
from monai_memvit.data.atomic import atomic_write_json
number = 0
while True:
    atomic_write_json(sys.argv[1], {"number": number, "filling": [number] * 20_000})
    if number == 2:
        print("writing", flush=True)
    number += 1
"""


def test_each_writer_leaves_exactly_its_content(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "a", b"\x00\xff")
    atomic_write_text(tmp_path / "b", "Größe\n")
    atomic_write_json(tmp_path / "c", {"ids": [2**63 - 1], "name": "ß"})
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b").read_text(encoding="utf-8") == "Größe\n"
    assert json.loads((tmp_path / "c").read_text(encoding="utf-8")) == {"ids": [2**63 - 1], "name": "ß"}
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c"]


def test_an_error_while_writing_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="halfway"):
        with atomic_write(path) as file:
            file.write(b"new")
            raise RuntimeError("halfway")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_new_file_is_not_seen_before_it_is_whole(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "file") as file:
        file.write(b"content")
        file.flush()
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_bytes() == b"content"


def test_permissions_follow_the_umask_as_those_of_open_do(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    atomic_write_text(tmp_path / "atomic", "")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic")}
    assert len(modes) == 1


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        atomic_write_json(tmp_path / "file", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("attempt", range(3))
def test_sigkill_amid_writing_leaves_a_whole_file(tmp_path: Path, attempt: int) -> None:
    path = tmp_path / "file.json"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        for _ in range(5 * attempt + 1):  # reading beside the writer spreads the moment of death
            content = json.loads(path.read_text())
            assert content["filling"] == [content["number"]] * 20_000
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    content = json.loads(path.read_text())
    assert content["number"] >= 2
    assert content["filling"] == [content["number"]] * 20_000


WRITER_THAT_STOPS = """
import sys
from monai_memvit.data.atomic import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_the_next_writer_removes_what_a_killed_one_left_and_leaves_the_living_alone(tmp_path: Path) -> None:
    path = tmp_path / "file[1].json"
    (tmp_path / ".file[1].json.note.tmp").write_text("not ours")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", WRITER_THAT_STOPS, str(path)]
    with subprocess.Popen(command, **pipes) as killed, subprocess.Popen(command, **pipes) as living:
        assert [child.stdout.readline() for child in (killed, living)] == ["writing\n"] * 2
        atomic_write_text(path, "first")
        assert len(os.listdir(tmp_path)) == 4  # both are alive
        killed.kill()
        killed.wait()
        atomic_write_text(path, "second")
        assert len(os.listdir(tmp_path)) == 3
        assert path.read_text() == "second"
        living.stdin.close()
        assert living.wait() == 0
    assert path.read_text() == "half"
    assert sorted(os.listdir(tmp_path)) == [".file[1].json.note.tmp", "file[1].json"]


def test_writers_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: atomic_write_text(tmp_path / "file", f"{n}" * 1000), range(10, 90)))
    assert (tmp_path / "file").read_text() in {f"{n}" * 1000 for n in range(10, 90)}
    assert os.listdir(tmp_path) == ["file"]


def test_without_locks_files_are_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    leftover = tmp_path / f".file.{'0' * 16}.tmp"
    leftover.write_text("")
    atomic_write_text(tmp_path / "file", "content")
    assert (tmp_path / "file").read_text() == "content"
    assert leftover.exists()
