"""Which rows are made together, and which of them next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soundstage.runners.engine.row import StreamRow
from soundstage.runners.timing.realtime import COMFORTABLE


@dataclass(eq=False)
class Group:
    """Places that are always made in one tick, whether a row sits there or not.

    Attributes:
        places: per row of the tick, who sits there; None = it rests.
        last_controls: per place, those it was last made with; None = never. Whoever makes its ticks
            holds no lock for them: a group has one tick under way at most.
        busy: whether a tick of it is under way.
    """

    places: list[StreamRow | None]
    last_controls: list[Mapping[str, Any] | None]
    busy: bool = False

    def rows(self) -> Iterator[StreamRow]:
        """Who sits there."""
        return (row for row in self.places if row is not None)

    def start_s(self, lead_s: float) -> float:
        """When its next tick is best begun; infinity = nobody in it has room for a chunk.

        Rows of one tick wait for each other until all want a chunk, unless one of them would be
        late: so rows that started at different times soon go together.

        Args:
            lead_s: what a tick takes, at most, with what may be in front of it.
        """
        waiting = [row.schedule for row in self.rows() if row.has_room]
        if not waiting:
            return math.inf
        wanted = [schedule.wanted_s for schedule in waiting if schedule.ahead_s is not None]
        if not wanted:
            return -math.inf
        needed = [schedule.needed_s for schedule in waiting if schedule.ahead_s is not None]
        latest = min(-math.inf if need is None else need - lead_s for need in needed)
        return max(min(wanted), min(max(wanted), latest))

    def wanting(self, now_s: float) -> list[StreamRow]:
        """The rows for which the next tick makes a chunk."""
        return [row for row in self.rows() if row.has_room and row.schedule.wanted_s <= now_s]

    def deadline_s(self) -> float:
        """How urgent it is: when the first of its rows with room needs a chunk."""
        return min(row.schedule.deadline_s for row in self.rows() if row.has_room)

    def served(self) -> int:
        """When the row that has waited longest was served."""
        return min(row.served for row in self.rows() if row.has_room)


@dataclass(frozen=True)
class Choice:
    """What to do now.

    Attributes:
        group: the group to make; None = none yet.
        wait_s: how long nothing is to be done unless something changes; infinity = forever.
    """

    group: Group | None
    wait_s: float = math.inf


@dataclass(frozen=True)
class Groups:
    """All places of an engine.

    Attributes:
        all: the groups, of equal size.
    """

    all: Sequence[Group]

    @classmethod
    def of(cls, rows: int, batch: int) -> Groups:
        """Groups of `batch` places each, for at least so many rows."""
        return cls(tuple(Group([None] * batch, [None] * batch) for _ in range(-(-rows // batch))))

    def rows(self) -> Iterator[StreamRow]:
        """Every row there is."""
        return (row for group in self.all for row in group.rows())

    def join(self, row: StreamRow) -> None:
        """Gives a row a place, in the fullest group that has one: ticks are for whole groups."""
        group = max(
            (group for group in self.all if None in group.places),
            key=lambda group: sum(1 for _ in group.rows()),
        )
        group.places[group.places.index(None)] = row

    def leave(self, row: StreamRow) -> bool:
        """Frees a row's place; says whether it had one."""
        for group in self.all:
            if row in group.places:
                group.places[group.places.index(row)] = None
                return True
        return False

    def choose(self, now_s: float, tick_s: float) -> Choice:
        """What to make next: of those whose time has come, the most urgent.

        Streams of pace "fast" are served in turn, while no realtime stream wants a chunk, one at a
        time, and only if all realtime streams could still be served in time if they all wanted a
        chunk directly behind it.

        Args:
            now_s: the time.
            tick_s: what a tick usually takes.
        """
        realtime = [row for row in self.rows() if row.realtime and row.has_room]
        ticks = len({id(group) for group in self.all for row in group.rows() if row.realtime})
        lead_s = COMFORTABLE * (ticks + 1) * tick_s
        idle = [(group, group.start_s(lead_s)) for group in self.all if not group.busy]
        urgent = [group for group, start_s in idle if start_s <= now_s and _is_realtime(group)]
        if urgent:
            return Choice(min(urgent, key=Group.deadline_s))
        wait_s = min(
            (start_s - now_s for group, start_s in idle if start_s > now_s), default=math.inf
        )
        fast = [group for group, start_s in idle if start_s < math.inf and _has_fast(group)]
        if not fast or (realtime and self._others_could_suffer(realtime, now_s + lead_s)):
            return Choice(None, wait_s)
        return Choice(min(fast, key=Group.served))

    def _others_could_suffer(self, realtime: Sequence[StreamRow], until_s: float) -> bool:
        if any(group.busy and not _is_realtime(group) for group in self.all):
            return True
        return any(row.schedule.deadline_s < until_s for row in realtime)


def _is_realtime(group: Group) -> bool:
    """Whether the next tick of a group is for a realtime stream."""
    return any(row.realtime and row.has_room for row in group.rows())


def _has_fast(group: Group) -> bool:
    return any(not row.realtime and row.has_room for row in group.rows())
