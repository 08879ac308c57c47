"""A new pipeline for the streams that play: beside the old one, checked, and engine by engine."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from soundstage.errors import Error
from soundstage.graph.plan import Graph
from soundstage.graph.state import State, initial
from soundstage.runners.engine.engine import Engine
from soundstage.runners.engine.prepared import PreparedRow
from soundstage.runners.engine.refusals import ControlRefused
from soundstage.runners.engine.row import ResumePoint, StreamRow
from soundstage.runners.engine.stream_controls import steered
from soundstage.runners.sessions.injection import silence

if TYPE_CHECKING:
    from soundstage.runners.fleet.fleet import Fleet

LOGGER = logging.getLogger("soundstage.serve")


class NotReloaded(Error):
    """The new pipeline cannot replace the old one, with which all streams go on."""

    exit_code = 4


def refuse_other_format(old: Graph, new: Graph) -> None:
    """Refuses a pipeline whose chunks are of another kind; nothing is loaded for that.

    Raises:
        NotReloaded: the length of a chunk, the sample rate or the channels differ, or it makes no
            audio.
    """
    if "audio" not in new.outputs:
        raise NotReloaded(f"the pipeline {new.name!r} has no output 'audio'")
    for name in ("chunk_s", "sample_rate_hz", "channels", "style_dim"):
        before, after = getattr(old.format, name), getattr(new.format, name)
        if before != after:
            raise NotReloaded(
                f"format.{name} is {after:g} and was {before:g}: streams that play cannot change "
                "it; start another server"
            )


def misfit(state: State, graph: Graph) -> str:
    """Returns why a stream's state is none of a graph; "" = it fits."""
    fresh = initial(graph, state.streams).values
    names = sorted(state.values.keys() ^ fresh.keys())
    if names:
        return f"the state of {', '.join(names)} is in one of the two pipelines only"
    for name, value in fresh.items():
        old = state.values[name]
        if (old.dtype, old.shape) != (value.dtype, value.shape):
            was, now = f"{old.dtype}{list(old.shape[1:])}", f"{value.dtype}{list(value.shape[1:])}"
            return f"the state of {name} was {was} and is {now}"
    return ""


def carry(row: StreamRow, graph: Graph) -> str:
    """Lets a stream go on with another graph, from its state and with its controls.

    Controls that the graph lacks are dropped, and new ones get their defaults. A chunk that is
    being made is made again. The caller holds the lock.

    Returns:
        Why it cannot, in which case nothing has changed; "" = it does.
    """
    if reason := misfit(row.state, graph):
        return reason
    silent = silence(graph)
    kept = {name: row.controls[name] for name in graph.controls if name in row.controls}
    try:
        controls = steered(graph, {n: v for n, v in kept.items() if n not in silent}, {}) | silent
    except ControlRefused as error:
        return error.reason
    row.graph, row.controls = graph, controls
    row.resume_point = ResumePoint(row.resume_point.state, controls)
    row.unread = deque((chunk, ResumePoint(end.state, controls)) for chunk, end in row.unread)
    row.starts.clear()  # they have the old controls
    row.epoch += 1
    row.in_flight = None
    return ""


async def reload(fleet: Fleet, graph: Graph) -> None:
    """Replaces the engines of a fleet, one after the other, by engines of another graph.

    Each new engine starts beside the old ones, so there has to be room for one more. Streams whose
    state fits go on with it; the others end with a reason. If the first new engine cannot start,
    nothing has changed.

    Raises:
        NotReloaded: the new pipeline cannot be used; the old one goes on.
    """
    refuse_other_format(fleet.graph, graph)
    fleet.reloading = True
    try:
        await _replace_engines(fleet, graph)
    finally:
        fleet.reloading = False


async def _replace_engines(fleet: Fleet, graph: Graph) -> None:
    for position, old in enumerate([one for one in fleet.engines if not one.draining]):
        engine = fleet.roster.add(graph)
        try:
            await fleet.roster.start(engine)
            # It is about to have the streams of a whole engine at once.
            await asyncio.to_thread(engine.wait_until_grown)
        # Any error of a stage's constructor or of its first chunk: the old pipeline goes on.
        except Exception as error:
            await fleet.roster.remove(engine)
            left = "the old pipeline goes on" if not position else f"{position} engine(s) have it"
            raise NotReloaded(f"{graph.name}: {error}; {left}") from error
        if not position:
            fleet.adopt(graph)
        moved, ended = _carry_all(fleet, graph, old)
        await fleet.roster.remove(old)
        LOGGER.info(
            "engine %d has replaced %d: %d stream(s) go on, %d ended",
            engine.number,
            old.number,
            moved,
            ended,
        )


def _carry_all(fleet: Fleet, graph: Graph, old: Engine) -> tuple[int, int]:
    """Moves the streams of an engine, and those without one, to engines of another graph."""
    moved = ended = 0
    places = fleet.places
    with places.lock:
        there = old.rows()
        for row in list(places.rows()):
            if row.graph is graph or (row.workers is not None and row not in there):
                continue
            if isinstance(row, PreparedRow):
                places.close(row)  # its stream may prepare again
                continue
            reason = carry(row, graph)
            if reason:
                row.error = f"the server's pipeline has changed: {reason}; start again"
                places.close(row)
                row.wake()
                ended += 1
            else:
                places.rehome(row)
                moved += 1
    return moved, ended
