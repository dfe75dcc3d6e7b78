"""Few handles are open, and a forked process opens its own."""

from __future__ import annotations

from monai_memvit.data.slides.readers.handles import HandleCache


def test_the_handles_used_last_stay() -> None:
    opened: list[str] = []
    cache = HandleCache(capacity=2)
    for key in ["a", "b", "a", "c", "a", "b"]:
        assert cache.get(key, lambda key=key: opened.append(key) or key) == key  # type: ignore[misc]
    assert opened == ["a", "b", "c", "b"]


def test_a_dropped_handle_is_opened_anew() -> None:
    cache = HandleCache()
    first = cache.get("a", object)
    assert cache.get("a", object) is first
    cache.drop("a")
    cache.drop("absent")
    assert cache.get("a", object) is not first


def test_after_a_fork_there_is_none() -> None:
    cache = HandleCache()
    first = cache.get("a", object)
    cache.start_anew()
    assert cache.get("a", object) is not first
