"""The actors of one stage: one for each replica, and warm spares that replace dead ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import ray
from ray.exceptions import GetTimeoutError, RayError

from soundstage.runners.ray.actor import SHORT_CALLS
from soundstage.runners.spans import now_s

PAUSE_S = 0.1
# Seconds; an actor that does not answer `is_ready` within this time counts as dead.
PATIENCE_S = 0.5
Reference: TypeAlias = Any  # to Ray's object store; its class is not generic


class ActorPool:
    """The actors of one stage.

    Stages are pure, so that every actor gives the same bytes: the choice of an actor only decides
    how soon it answers.

    Attributes:
        active: the actors that answer, one for each replica.
    """

    def __init__(self, actors: Sequence[Any], replicas: int) -> None:
        self.active = list(actors[:replicas])
        self._spares = [_Spare(actor) for actor in actors[replicas:]]

    @property
    def actors(self) -> list[Any]:
        """All actors, spares included."""
        return [*self.active, *(spare.actor for spare in self._spares)]

    def process_ids(self) -> list[Reference]:
        """Returns references to the process ids of the active actors."""
        return [_process_id(actor) for actor in self.active]

    def wait(self, deadline_s: float) -> bool:
        """Waits until every active actor is alive; Ray restarts those that died.

        Args:
            deadline_s: the end of the wait, by `runners.spans.now_s`.

        Returns:
            Whether all are alive.
        """
        for actor in self.active:
            while not _is_alive(actor, deadline_s):
                if now_s() > deadline_s:
                    return False
                time.sleep(PAUSE_S)
        return True

    def warm_spares(self, call: Callable[[Any], Reference]) -> None:
        """Sends a request of this tick to the spares that are not warm.

        Args:
            call: sends the request to an actor; returns the reference to its `StageReport`, which
                this method does not wait for.
        """
        for spare in self._spares:
            spare.warm_up(call)

    def replace_dead(self) -> None:
        """Swaps active actors that are not ready with spares that are."""
        if not self._spares:
            return
        dead = [slot for slot, ready in enumerate(_ready(self.active)) if not ready]
        spares = zip(self._spares, _ready([spare.actor for spare in self._spares]), strict=True)
        for spare, ready in spares:
            if ready and dead:
                slot = dead.pop()
                self.active[slot] = spare.exchange(self.active[slot])
            else:
                spare.warm = ready


class _Spare:
    """A spare actor; it is warm once it has answered, as then all is built and compiled."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.warm = False
        self._report: Reference | None = None

    def exchange(self, dead: Any) -> Any:
        """Takes a dead actor for its own, which it returns; the report that it awaits is void."""
        actor, self.actor = self.actor, dead
        self.warm = False
        self._report = None
        return actor

    def warm_up(self, call: Callable[[Any], Reference]) -> None:
        if self.warm:
            return
        if self._report is None:
            self._report = call(self.actor)
        elif ray.wait([self._report], timeout=0)[0]:
            self.warm = _answered(self._report)
            self._report = None


def _answered(reference: Reference) -> bool:
    try:
        report: Any = ray.get(reference)
    except RayError:  # the actor restarts, and gets another request
        return False
    return bool(report.spans)


def _ready(actors: Sequence[Any]) -> list[bool]:
    """Returns, for each actor, whether it is alive and has answered before."""
    replies = [actor.is_ready.options(concurrency_group=SHORT_CALLS).remote() for actor in actors]
    deadline_s = now_s() + PATIENCE_S
    ready = []
    for reply in replies:
        try:
            ready.append(bool(ray.get(reply, timeout=max(0.0, deadline_s - now_s()))))
        except (RayError, GetTimeoutError):
            ready.append(False)
    return ready


def are_alive(pools: Iterable[ActorPool]) -> bool:
    """Whether the processes of all active actors answer now, even while their stages compute."""
    replies = [reply for pool in pools for reply in pool.process_ids()]
    try:
        ray.get(replies, timeout=PATIENCE_S)
    except (RayError, GetTimeoutError):
        return False
    return True


def _process_id(actor: Any) -> Reference:
    return actor.process_id.options(concurrency_group=SHORT_CALLS).remote()


def _is_alive(actor: Any, deadline_s: float) -> bool:
    """Whether an actor's process answers, even while its stage computes."""
    try:
        ray.get(_process_id(actor), timeout=max(0.0, deadline_s - now_s()))
    except (RayError, GetTimeoutError):
        return False
    return True
