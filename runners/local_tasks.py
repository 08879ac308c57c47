"""The tasks of ticks in one process: each starts when what it reads is ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from soundstage.graph.plan import Node
from soundstage.graph.port import Tensor
from soundstage.runners.hosts.host import Answer, Host
from soundstage.runners.lifetime import Lifetime
from soundstage.runners.local_values import read
from soundstage.runners.runner import Tick
from soundstage.runners.spans import Span, now_s
from soundstage.runners.wiring import CONTROLS, Read, reads_of, split

# A stage that takes less time is not worth another thread: waking one takes about as long.
QUICK_S = 0.001


@dataclass(eq=False)
class Task:
    """One replica of a stage in one tick.

    Attributes:
        tick: the tick in flight, until the task has ended.
        stage: the stage.
        replica: the number of the replica.
        rows: the rows of the tick that it computes.
        waits_for: how many tasks that it reads have not ended.
        readers: the tasks that read it and wait for it.
        answer: what the stage returned; None = the task has not ended, or failed.
        error: why there is no answer.
        queued: the span from the submission, or the end of the call before, to the call.
    """

    tick: LocalTick
    stage: LocalStage
    replica: int
    rows: slice
    waits_for: int = 0
    readers: list[Task] = field(default_factory=list)
    answer: Answer | None = None
    error: BaseException | None = None
    queued: Span | None = None

    @property
    def result(self) -> Answer:
        """The answer of a task that has ended.

        Raises:
            BaseException: the task's error.
        """
        if self.error is not None:
            raise self.error
        assert self.answer is not None  # it has ended, without an error
        return self.answer


@dataclass(frozen=True, eq=False)
class GivenValues:
    """Values of a state, in place of a task of the tick before."""

    result: Answer


# By stage, what it made in one tick: one for each replica.
Results: TypeAlias = Mapping[str, tuple[Task | GivenValues, ...]]


@dataclass(eq=False)
class LocalTick:
    """One tick in flight.

    Attributes:
        tick: the tick.
        controls: the value of every control.
        clock: int64 [row]; the index of the chunk.
        past: what was made in the tick before, until this one has ended.
        start_s: when the tick was submitted.
        tasks: by stage, its tasks, one for each replica.
        running: how many tasks have not ended.
        ended: set when all tasks have ended.
        cancelled: whether tasks that have not started are dropped.
    """

    tick: Tick
    controls: Mapping[str, Tensor]
    clock: np.ndarray
    past: Results
    start_s: float
    tasks: dict[str, tuple[Task, ...]] = field(default_factory=dict)
    running: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False

    def cancel(self) -> None:
        """Drops the tasks that have not started."""
        self.cancelled = True


class LocalStage:
    """One stage, ready to run: where its inputs come from, its replicas and their threads.

    Attributes:
        name: its name in the graph.
        reads: where its inputs come from.
        origins: the stages whose outputs it reads, and whether of the tick before.
        hosts: the built stage, one for each replica.
        threads: the thread of each replica.
        quick: per replica, whether its last call was too short for a thread of its own.
        idle_since_s: per replica, the end of its last call.
    """

    def __init__(self, node: Node, hosts: list[Host]) -> None:
        self.name = node.name
        self.reads = reads_of(node)
        from_stages = [entry for entry in self.reads if entry.stage not in ("", CONTROLS)]
        self.origins = tuple(dict.fromkeys((entry.stage, entry.past) for entry in from_stages))
        self.hosts = hosts
        prefix = f"stage-{node.name}"
        self.threads = [ThreadPoolExecutor(1, thread_name_prefix=prefix) for _ in hosts]
        self.quick = [False] * len(hosts)
        self.idle_since_s = [now_s()] * len(hosts)

    def run(self, task: Task) -> None:
        """Runs one task, whose sources have ended.

        Raises:
            BaseException: the stage failed, or one that it reads.
        """
        pending, rows, replica = task.tick, task.rows, task.replica
        host, chunks = self.hosts[replica], pending.tick.chunks[rows]
        is_whole = len(pending.tasks[self.name]) == 1
        with host.lock:
            start_s = now_s()
            inputs = {
                entry.name: _input(entry, pending) if is_whole else _input(entry, pending)[rows]
                for entry in self.reads
            }
            task.answer = host.answer(inputs, chunks)
            end_s = now_s()
            queued_s = min(max(self.idle_since_s[replica], pending.start_s), start_s)
            self.idle_since_s[replica] = end_s
            self.quick[replica] = end_s - start_s < QUICK_S
        task.queued = Span(self.name, replica, chunks[0], "queue", queued_s, start_s)


class TaskThreads:
    """Runs the tasks of ticks: a slow stage's on a thread of its own.

    Quick stages run one after the other on the thread that made their inputs ready, or on one for
    all. Which thread runs a stage changes no byte.
    """

    def __init__(self, stages: Mapping[str, LocalStage], lifetime: Lifetime) -> None:
        """Starts no thread yet.

        Args:
            stages: by name, in the graph's order.
            lifetime: ends the tasks that start after its end, with its error.
        """
        self._stages = stages
        self._lifetime = lifetime
        self._quick_thread = ThreadPoolExecutor(1, thread_name_prefix="quick-stages")
        self._changing = threading.Lock()  # held while tasks get readers, or end

    def submit(self, pending: LocalTick) -> None:
        """Makes the tasks of a tick, and starts those whose sources have ended."""
        with self._changing:
            ready = [task for task in self._tasks(pending) if not task.waits_for]
        quick = [task for task in ready if not self._hand_over(task)]
        if not quick:
            return
        try:
            self._quick_thread.submit(self._run_all, quick)
        except RuntimeError:  # closed meanwhile
            self._run_all(quick)

    def close(self) -> None:
        """Waits for the calls that are running, and ends the threads."""
        self._quick_thread.shutdown(wait=True)
        for stage in self._stages.values():
            for thread in stage.threads:
                thread.shutdown(wait=True)

    def _tasks(self, pending: LocalTick) -> list[Task]:
        """Makes the tasks of a tick; each becomes a reader of those that it waits for."""
        every: list[Task] = []
        for name, stage in self._stages.items():
            shares = split(len(pending.tick.streams), len(stage.hosts))
            tasks = tuple(
                Task(pending, stage, replica, rows) for replica, rows in enumerate(shares)
            )
            pending.tasks[name] = tasks
            every += tasks
            for origin, is_past in stage.origins:
                for source in (pending.past if is_past else pending.tasks)[origin]:
                    if isinstance(source, Task) and source.answer is None and source.error is None:
                        source.readers += tasks
                        for task in tasks:
                            task.waits_for += 1
        pending.running = len(every)
        return every

    def _hand_over(self, task: Task) -> bool:
        """Hands a task to the thread of its stage; returns False if it is quick."""
        if task.stage.quick[task.replica]:
            return False
        try:
            task.stage.threads[task.replica].submit(self._run_all, [task])
        except RuntimeError:  # closed meanwhile: the task ends with that error
            return False
        return True

    def _run_all(self, tasks: list[Task]) -> None:
        """Runs tasks, and then the quick ones among those that they make ready."""
        for task in tasks:  # which grows
            try:
                self._lifetime.check()
                if task.tick.cancelled:
                    raise CancelledError
                task.stage.run(task)
            # A stage may raise anything; the one that waits for the chunk gets it.
            except BaseException as error:
                task.error = error
            tasks += [reader for reader in self._end(task) if not self._hand_over(reader)]

    def _end(self, task: Task) -> list[Task]:
        """Ends a task; returns the tasks that wait for nothing else."""
        with self._changing:
            for reader in task.readers:
                reader.waits_for -= 1
            ready = [reader for reader in task.readers if not reader.waits_for]
            # Neither a circle of references nor a chain to earlier ticks keeps their values.
            task.readers, pending = [], task.tick
            del task.tick
            pending.running -= 1
            if not pending.running:
                pending.past = {}
                pending.ended.set()
        return ready


def spans_of(pending: LocalTick) -> Iterator[Span]:
    """Yields the spans of a tick whose tasks have all ended."""
    for tasks in pending.tasks.values():
        for task in tasks:
            yield from filter(None, (task.queued, task.result.span))


def _input(entry: Read, pending: LocalTick) -> Any:
    """Returns the value of an input for all rows."""
    if entry.stage == CONTROLS:
        return pending.controls[entry.leaf]
    if not entry.stage:
        return pending.clock
    sources = (pending.past if entry.past else pending.tasks)[entry.stage]
    return read([source.result.values for source in sources], entry.leaf)
