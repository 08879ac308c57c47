"""A memory saves time and changes nothing."""

import numpy as np
import pytest

from soundstage.stages.musiccoca.memory import EmbeddingCache


def answer(value: float):
    return lambda: np.full(3, value)


def unwanted() -> np.ndarray:
    raise AssertionError("this had been asked before")


def test_a_question_asked_again_is_not_computed_again():
    memory = EmbeddingCache(2)
    first = memory.recall(b"one", answer(1))
    np.testing.assert_array_equal(memory.recall(b"one", unwanted), first)


def test_it_holds_the_last_few_and_forgets_the_one_asked_for_longest_ago():
    memory = EmbeddingCache(2)
    for key, value in [(b"one", 1), (b"two", 2), (b"one", 1), (b"three", 3)]:
        memory.recall(key, answer(value))
    assert memory.recall(b"one", unwanted)[0] == 1
    assert memory.recall(b"three", unwanted)[0] == 3
    assert memory.recall(b"two", answer(22))[0] == 22


def test_an_answer_cannot_be_overwritten():
    memory = EmbeddingCache(2)
    for recalled in (memory.recall(b"one", answer(1)), memory.recall(b"one", unwanted)):
        with pytest.raises(ValueError, match="read-only"):
            recalled[0] = 5


def test_a_question_that_fails_is_asked_again():
    memory = EmbeddingCache(2)
    with pytest.raises(ZeroDivisionError):
        memory.recall(b"one", lambda: np.array(1 // 0))
    assert memory.recall(b"one", answer(1))[0] == 1
