"""The cache of embeddings changes no result."""

import numpy as np
import pytest

from soundstage.stages.musiccoca.memory import EmbeddingCache


def constant(value: float):
    return lambda: np.full(3, value)


def must_not_run() -> np.ndarray:
    raise AssertionError("the result should have been cached")


def test_cached_result_is_not_computed_again():
    cache = EmbeddingCache(2)
    first = cache.get(b"one", constant(1))
    np.testing.assert_array_equal(cache.get(b"one", must_not_run), first)


def test_full_cache_drops_the_least_recently_used_result():
    cache = EmbeddingCache(2)
    for key, value in [(b"one", 1), (b"two", 2), (b"one", 1), (b"three", 3)]:
        cache.get(key, constant(value))
    assert cache.get(b"one", must_not_run)[0] == 1
    assert cache.get(b"three", must_not_run)[0] == 3
    assert cache.get(b"two", constant(22))[0] == 22


def test_result_cannot_be_overwritten():
    cache = EmbeddingCache(2)
    for result in (cache.get(b"one", constant(1)), cache.get(b"one", must_not_run)):
        with pytest.raises(ValueError, match="read-only"):
            result[0] = 5


def test_error_is_not_cached():
    cache = EmbeddingCache(2)
    with pytest.raises(ZeroDivisionError):
        cache.get(b"one", lambda: np.array(1 // 0))
    assert cache.get(b"one", constant(1))[0] == 1
