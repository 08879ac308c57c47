"""The answer to a stream that gets no slot: when one is likely to be free."""

from soundstage.runners.engine.refusals import RETRY_AFTER_S
from soundstage.runners.fleet.waits import LEAST_S, MOST_S, Waits


class Client:
    """A row that waits."""

    closed = False


def test_wait_follows_how_often_slots_became_free_and_how_many_others_wait():
    waits, first, second = Waits(), Client(), Client()
    assert waits.refuse(first, 0.0) == RETRY_AFTER_S
    for freed_s in (10.0, 14.0, 18.0):
        waits.free(freed_s)
    assert waits.refuse(first, 19.0) == 3.0  # one in four seconds, the last one 1 s ago
    assert waits.refuse(second, 19.0) == 7.0
    assert waits.refuse(first, 30.0) == LEAST_S
    waits.admit(first)
    assert waits.refuse(second, 19.0) == 3.0


def test_wait_has_a_limit_and_clients_that_left_are_not_counted():
    waits, gone, late = Waits(), Client(), Client()
    waits.free(0.0)
    waits.free(500.0)
    assert waits.refuse(gone, 501.0) == MOST_S
    gone.closed = True
    waits.free(501.0)
    waits.free(502.0)
    waits.free(503.0)
    assert waits.refuse(late, 504.0) == MOST_S
