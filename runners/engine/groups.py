"""Which rows are made in one tick, and which tick is made next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from soundstage.graph.state import State
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.timing.realtime import COMFORTABLE


@dataclass(eq=False)
class Group:
    """Slots whose rows are made in one tick.

    If its ticks have a fixed size, every slot has a row in each tick, even if it is free, and a
    stream is always in the row of its slot. Otherwise a tick has as many rows as are needed for the
    streams that want a chunk, rounded up to the next of some sizes; several ticks of such a group
    may be in progress at once.

    Attributes:
        slots: by row of the tick, the stream there; None = the slot is free.
        last_controls: by slot, the controls of its last chunk; None = it never had one. A worker
            changes them without the lock: a group has at most one tick in progress.
        resting: by slot, the state after its last chunk that was thrown away; None = it had a
            request since, or none was. Not used if the size of its ticks varies.
        ticks: how many of its ticks are in progress.
        sizes: the numbers of rows that a tick may have, rising; empty = that of the slots.
    """

    slots: list[StreamRow | None]
    last_controls: list[Mapping[str, Any] | None]
    ticks: int = 0
    sizes: tuple[int, ...] = ()
    resting: list[State | None] = field(init=False)

    def __post_init__(self) -> None:
        self.resting = [None] * len(self.slots)

    @property
    def busy(self) -> bool:
        """Whether a tick of the group is in progress, and other streams have to wait for it."""
        return self.ticks > 0 and not self.sizes

    def following(self) -> list[StreamRow]:
        """Returns its row if a tick can follow the one in progress: in a group of one slot."""
        if len(self.slots) > 1:
            return []
        return [row for row in self.rows() if row.followable is not None]

    def rows(self) -> Iterator[StreamRow]:
        """Returns the rows in its slots."""
        return (row for row in self.slots if row is not None)

    def waiting(self) -> list[StreamRow]:
        """Returns the rows with room; not those whose last chunk another engine still makes."""
        return [row for row in self.rows() if row.has_room and row.in_flight is None]

    def start_s(self, lead_s: float) -> float:
        """Returns the best time to start its next tick; infinity = no row has room for a chunk.

        Rows of one tick wait for each other until all want a chunk, unless one of them would be
        late. So rows that started at different times are soon made together.

        Args:
            lead_s: the longest that a tick takes, with the ticks that may be made before it.
        """
        waiting = [row.schedule for row in self.waiting()]
        if not waiting:
            return math.inf
        wanted = [schedule.wanted_s for schedule in waiting if schedule.ahead_s is not None]
        if not wanted:
            return -math.inf
        needed = [schedule.needed_s for schedule in waiting if schedule.ahead_s is not None]
        if self.sizes:
            return min(wanted)
        latest = min(-math.inf if need is None else need - lead_s for need in needed)
        return max(min(wanted), min(max(wanted), latest))

    def wanting(self, now_s: float) -> list[StreamRow]:
        """Returns the rows for which the next tick makes a chunk: those that need it first."""
        wanting = [row for row in self.waiting() if row.schedule.wanted_s <= now_s]
        if not self.sizes:
            return wanting
        wanting.sort(key=lambda row: (row.schedule.deadline_s, row.last_served))
        return wanting[: self.sizes[-1]]

    def slot_of(self, row: StreamRow, position: int) -> int:
        """Returns the row of the tick in which a stream is made, the `position`-th of them."""
        return position if self.sizes else self.slots.index(row)

    def size_for(self, streams: int) -> int:
        """Returns the number of rows of a tick for so many streams."""
        return next((size for size in self.sizes if size >= streams), len(self.slots))

    def deadline_s(self) -> float:
        """Returns when the first of its rows with room needs a chunk."""
        return min(row.schedule.deadline_s for row in self.waiting())

    def last_served(self) -> int:
        """Returns the tick at which the row that has waited longest got its last chunk."""
        return min(row.last_served for row in self.waiting())


@dataclass(frozen=True)
class Choice:
    """The next thing for a worker to do.

    Attributes:
        group: the group to make; None = none yet.
        wait_s: how long there is nothing to do unless something changes; infinity = forever.
        follows: whether its tick follows the one in progress.
    """

    group: Group | None
    wait_s: float = math.inf
    follows: bool = False


@dataclass(frozen=True)
class Groups:
    """All slots of an engine.

    Attributes:
        all: the groups, of equal size.
    """

    all: Sequence[Group]

    @classmethod
    def of(cls, rows: int, batch: int, fits: bool = False) -> Groups:
        """Returns groups of `batch` slots each, for at least `rows` rows.

        Args:
            rows: the most streams.
            batch: the rows of a tick.
            fits: whether ticks have as many rows as they need: at first 1 (see `Group.sizes`).
        """
        if fits:
            return cls((Group([None] * rows, [None] * rows, sizes=(1,)),))
        return cls(tuple(Group([None] * batch, [None] * batch) for _ in range(-(-rows // batch))))

    def rows(self) -> Iterator[StreamRow]:
        """Returns the rows in all slots."""
        return (row for group in self.all for row in group.rows())

    def join(self, row: StreamRow) -> None:
        """Gives a row a slot in the fullest group with a free one, for a tick costs a whole group.

        Raises:
            ValueError: no slot is free.
        """
        group = max(
            (group for group in self.all if None in group.slots),
            key=lambda group: sum(1 for _ in group.rows()),
        )
        group.slots[group.slots.index(None)] = row

    def leave(self, row: StreamRow) -> None:
        """Frees a row's slot, if it has one."""
        for group in self.all:
            if row in group.slots:
                group.slots[group.slots.index(row)] = None

    def choose(self, now_s: float, tick_s: float) -> Choice:
        """Chooses the most urgent of the groups whose time to start has come.

        Non-realtime streams are served in turn and one at a time, while no realtime stream wants a
        chunk, and only if all realtime streams could still be served in time if all of them wanted
        a chunk directly afterwards. A realtime stream whose next chunk is wanted while its last one
        is being made comes after the other realtime streams.

        Args:
            now_s: the time.
            tick_s: how long a tick usually takes.
        """
        realtime = [row for row in self.rows() if row.realtime and row.has_room]
        ticks = len({id(group) for group in self.all for row in group.rows() if row.realtime})
        lead_s = COMFORTABLE * (ticks + 1) * tick_s
        idle = [(group, group.start_s(lead_s)) for group in self.all if not group.busy]
        urgent = [group for group, start_s in idle if start_s <= now_s and _is_realtime(group)]
        if urgent:
            return Choice(min(urgent, key=Group.deadline_s))
        later = [
            (row.schedule.after_next_wanted_s(tick_s), row.schedule.deadline_s, group)
            for group in self.all
            for row in group.following()
        ]
        following = [(deadline_s, group) for at_s, deadline_s, group in later if at_s <= now_s]
        if following:
            return Choice(min(following, key=itemgetter(0))[1], follows=True)
        starts_s = [start_s for _, start_s in idle] + [start_s for start_s, _, _ in later]
        wait_s = min((start_s - now_s for start_s in starts_s if start_s > now_s), default=math.inf)
        others = [group for group, start_s in idle if start_s < math.inf and _has_fast(group)]
        if not others or (realtime and self._would_delay(realtime, now_s + lead_s)):
            return Choice(None, wait_s)
        return Choice(min(others, key=Group.last_served))

    def _would_delay(self, realtime: Sequence[StreamRow], until_s: float) -> bool:
        """Returns whether a tick of a non-realtime stream could make a realtime stream late."""
        busy = (list(group.rows()) for group in self.all if group.busy)
        if any(not any(row.realtime and row.has_room for row in rows) for rows in busy):
            return True
        return any(row.schedule.deadline_s < until_s for row in realtime)


def _is_realtime(group: Group) -> bool:
    """Returns whether the next tick of a group is for a realtime stream."""
    return any(row.realtime for row in group.waiting())


def _has_fast(group: Group) -> bool:
    """Returns whether a non-realtime stream of a group has room for a chunk."""
    return any(not row.realtime for row in group.waiting())
