"""SIGTERM as an exception, for a while."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from monai_memvit.handlers.sigterm import default_sigterm, exit_on_sigterm


@pytest.fixture(autouse=True)
def sigterm_as_it_was() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_exits_with_the_shells_code_and_can_be_given_back() -> None:
    exit_on_sigterm()
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143
    default_sigterm()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_another_handler_stays() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    exit_on_sigterm()
    default_sigterm()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_thread_leaves_it_alone() -> None:
    thread = threading.Thread(target=exit_on_sigterm)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
