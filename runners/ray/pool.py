"""The actors of one stage: those in their seats, and warm spares that take a dead one's seat."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import ray
from ray.exceptions import GetTimeoutError, RayError

from soundstage.runners.ray.actor import ASIDE
from soundstage.runners.spans import now_s

PAUSE_S = 0.1
# An actor that does not say within this time that it is ready is dead, or as good as that.
PATIENCE_S = 0.5
Reference: TypeAlias = Any  # of Ray's object store; its class is not generic in what it holds


class ActorPool:
    """The actors of one stage.

    Whoever is asked gives the same answer, as stages are pure: which actor sits where is of no
    importance but for how soon it answers.

    Attributes:
        seated: the actors that are asked, one a replica.
    """

    def __init__(self, actors: Sequence[Any], replicas: int) -> None:
        self.seated = list(actors[:replicas])
        self._spares = [_Spare(actor) for actor in actors[replicas:]]

    @property
    def everyone(self) -> list[Any]:
        """All actors, spares included."""
        return [*self.seated, *(spare.actor for spare in self._spares)]

    def process_ids(self) -> list[Reference]:
        """The processes that the seated live in at present."""
        return [_process_id(actor) for actor in self.seated]

    def wait(self, deadline_s: float) -> bool:
        """Waits until every seated actor lives, as Ray makes those again that died.

        Args:
            deadline_s: until when, on the clock of `runners.spans.now_s`.

        Returns:
            Whether all live.
        """
        for actor in self.seated:
            while not _lives(actor, deadline_s):
                if now_s() > deadline_s:
                    return False
                time.sleep(PAUSE_S)
        return True

    def rehearse(self, ask: Callable[[Any], Reference]) -> None:
        """Has spares that never answered do once what a seated actor is asked to do.

        Args:
            ask: asks an actor; gives the reference to its `Report`. Nobody waits for it.
        """
        for spare in self._spares:
            spare.rehearse(ask)

    def relieve(self) -> None:
        """Puts ready spares in the seats of actors that are not; those become spares."""
        if not self._spares:
            return
        absent = [seat for seat, ready in enumerate(_ready(self.seated)) if not ready]
        spares = zip(self._spares, _ready([spare.actor for spare in self._spares]), strict=True)
        for spare, ready in spares:
            if ready and absent:
                seat = absent.pop()
                self.seated[seat], spare.actor = spare.actor, self.seated[seat]
                ready = False
            spare.warm = ready


class _Spare:
    """An actor that waits; it is warm once it has answered, for then all is built and compiled."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.warm = False
        self._report: Reference | None = None

    def rehearse(self, ask: Callable[[Any], Reference]) -> None:
        if self.warm:
            return
        if self._report is None:
            self._report = ask(self.actor)
        elif ray.wait([self._report], timeout=0)[0]:
            self.warm = _answered(self._report)
            self._report = None


def _answered(report: Reference) -> bool:
    try:
        told: Any = ray.get(report)
    except RayError:  # it is being made again, and will be asked again
        return False
    return bool(told.spans)


def _ready(actors: Sequence[Any]) -> list[bool]:
    """Which actors live and have answered before; all are asked at once."""
    replies = [actor.is_ready.options(concurrency_group=ASIDE).remote() for actor in actors]
    deadline_s = now_s() + PATIENCE_S
    ready = []
    for reply in replies:
        try:
            ready.append(bool(ray.get(reply, timeout=max(0.0, deadline_s - now_s()))))
        except (RayError, GetTimeoutError):
            ready.append(False)
    return ready


def _process_id(actor: Any) -> Reference:
    return actor.process_id.options(concurrency_group=ASIDE).remote()


def _lives(actor: Any, deadline_s: float) -> bool:
    """Whether an actor answers, however busy it is."""
    try:
        ray.get(_process_id(actor), timeout=max(0.0, deadline_s - now_s()))
    except (RayError, GetTimeoutError):
        return False
    return True
