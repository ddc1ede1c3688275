"""What was used last is kept within a budget, whatever the values are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam2.bounded_cache import BoundedCache


def kilobyte() -> np.ndarray:
    return np.zeros(1000, np.uint8)


def test_what_was_not_used_for_longest_goes_first() -> None:
    cache: BoundedCache[str, np.ndarray] = BoundedCache(2000)
    first = cache.get("a", kilobyte)
    cache.get("b", kilobyte)
    assert cache.get("a", lambda: pytest.fail("it was kept")) is first
    cache.get("c", kilobyte)
    assert cache.get("a", lambda: pytest.fail("it was kept")) is first
    assert len(cache) == 2 and cache.nbytes == 2000
    computed: list[str] = []
    cache.get("b", lambda: computed.append("b") or kilobyte())
    assert computed == ["b"], "it had gone"


def test_what_is_larger_than_the_budget_is_not_kept_and_drives_nothing_out() -> None:
    cache: BoundedCache[int, np.ndarray] = BoundedCache(1500)
    cache.get(1, kilobyte)
    assert cache.get(2, lambda: np.zeros(1501, np.uint8)).size == 1501
    assert len(cache) == 1 and cache.nbytes == 1000
    nothing: BoundedCache[int, np.ndarray] = BoundedCache(0)
    nothing.get(1, kilobyte)
    assert len(nothing) == nothing.nbytes == 0


def test_sizes_can_be_counted_in_another_way() -> None:
    cache: BoundedCache[int, np.ndarray] = BoundedCache(1000, size_of=lambda value: value.nbytes // 3)
    for number in range(4):
        cache.get(number, kilobyte)
    assert len(cache) == 3 and cache.nbytes == 999


def test_it_shrinks_to_half_of_what_it_holds_and_keeps_the_latest() -> None:
    cache: BoundedCache[int, np.ndarray] = BoundedCache(10_000)
    for number in range(4):
        cache.get(number, kilobyte)
    cache.shrink()
    assert len(cache) == 2 and cache.max_bytes == cache.nbytes == 2000
    assert cache.get(3, lambda: pytest.fail("it was kept")).size
    cache.clear()
    cache.shrink()
    assert cache.max_bytes == 1000 and len(cache) == 0
