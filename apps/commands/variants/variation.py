"""What `soundstage variants` does: batches of rows in, one file a row out, and a page to listen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from math import isfinite
from typing import TypeVar

from soundstage.apps.commands.variants.audition.page import Page
from soundstage.apps.commands.variants.folder import PAGE, ManifestWriter, Slot, arrange
from soundstage.apps.commands.variants.manifest import Manifest, ManifestEntry, read_manifest
from soundstage.apps.commands.variants.variants_request import CheckedVariants, VariantsRequest
from soundstage.apps.commands.variants.variants_request import plan as check
from soundstage.audio.inspection import inspect
from soundstage.audio.writer import AudioWriter, open_writer
from soundstage.files import check_writable, file_sha256, making_folder
from soundstage.interrupts import uninterrupted
from soundstage.progress import Progress, Update
from soundstage.runners.api import open_runner
from soundstage.runners.offline import Stopwatch, chunks, closing, timeline
from soundstage.runners.runner import Chunk, Runner
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.timeline import TimelineWriter
from soundstage.version import version

Item = TypeVar("Item")


def make_variants(order: VariantsRequest, progress: Progress) -> None:
    """Makes every variant of an order that is not there yet, and the page that plays them.

    Everything that can be refused is refused before the first file is touched. Each file appears
    when it is complete, with its batch; manifest and page follow every batch, so that whatever
    happens later leaves what is finished ready to be heard.

    Raises:
        Exception: what `variants_request.plan` and `folder.arrange` raise.
        WeightsError: weights are missing or do not fit.
        OutputError: a file cannot be written after all.
        StageFailed: a stage failed.
    """
    before = Stopwatch()
    with progress.step("checking the pipeline"):
        plan = check(order)
        manifest = read_manifest(order.destination.folder)
    with making_folder(order.destination.folder):
        check_writable(order.destination.folder / PAGE)
        if order.destination.timeline is not None:
            check_writable(order.destination.timeline)
        with progress.step(f"loading {len(plan.graph.nodes)} stages"), before.measure("loading"):
            runner = open_runner(plan.graph, order.runner)
        with closing(runner):
            lines = _make_missing(plan, runner, manifest, before, progress)
    for line in lines:
        progress.say(line)


def _make_missing(
    plan: CheckedVariants, runner: Runner, manifest: Manifest, before: Stopwatch, progress: Progress
) -> list[str]:
    """Makes what is not there yet; returns the summary."""
    slots = arrange(plan, runner.weights(), manifest, version())
    missing = [slot for slot in slots if slot.entry is None]
    parts = list(batches(missing, plan.order.batch))
    for size in sorted({len(batch) for batch in parts}):
        with progress.step(f"compiling for {size} at a time"), before.measure("compiling"):
            runner.warm_up(size)
    if plan.graph.spec.note:
        progress.say(f"{plan.graph.name}: {plan.graph.spec.note}")
    keeper = ManifestWriter(plan.order.destination.folder, slots, manifest)
    page = Page(plan.order.destination.folder / PAGE, plan.graph.name, version())
    if keeper.finished:
        keeper.keep()
        page.write(keeper.finished)
    maker = _Maker(plan, runner, keeper)
    with (
        timeline(plan.order.destination.timeline, plan.graph) as drawn,
        progress.playing(plan.seconds * len(missing)) as update,
    ):
        for batch in parts:
            keeper.keep(maker.make(batch, drawn, update))
            page.write(keeper.finished)
    lines = _summary(plan, missing, keeper, maker, before)
    return lines + (drawn.timings.lines() if drawn is not None else [])


def batches(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    """As few batches as there can be, of nearly equal size: each size is compiled for.

    Args:
        items: what to part, in order.
        most: the largest batch.
    """
    count = -(-len(items) // most)
    for index in range(count):
        yield items[index * len(items) // count : (index + 1) * len(items) // count]


class _Maker:
    """Makes batches.

    Attributes:
        seconds: audio made so far, over all variants.
        wall_s: how long that took, without what comes between batches.
    """

    def __init__(self, plan: CheckedVariants, runner: Runner, keeper: ManifestWriter) -> None:
        self.seconds = 0.0
        self.wall_s = 0.0
        self._plan = plan
        self._runner = runner
        self._keeper = keeper

    def make(
        self, batch: Sequence[Slot], drawn: TimelineWriter | None, update: Update
    ) -> list[ManifestEntry]:
        """Makes one batch; its files appear when all of them are complete.

        Raises:
            StageFailed: a stage failed; none of the batch's files appears.
            OutputError: a file cannot be written after all.
        """
        session = Session(self._runner, [slot.variant.changes for slot in batch])
        with ExitStack() as opened:
            writers = [opened.enter_context(self._writer(slot)) for slot in batch]
            start = time.perf_counter()
            for chunk in chunks(session, self._plan.chunks):
                # One interrupted within libsndfile would be lost.
                with uninterrupted():
                    if drawn is not None:
                        drawn.write(chunk)
                    self._write(chunk, writers)
                now = time.perf_counter()
                self.wall_s, start = self.wall_s + now - start, now
                update(self.seconds, self.seconds / self.wall_s)
            self._keeper.keep()
            with uninterrupted():
                opened.close()
        return [
            self._entry(slot, writer.clipped_samples)
            for slot, writer in zip(batch, writers, strict=True)
        ]

    def _write(self, chunk: Chunk, writers: Sequence[AudioWriter]) -> None:
        left = self._plan.total_samples - writers[0].samples
        for row, writer in enumerate(writers):
            block = chunk.audio[row, :left]
            writer.write(block)
            self.seconds += len(block) / self._plan.graph.format.sample_rate_hz

    def _writer(self, slot: Slot) -> AbstractContextManager[AudioWriter]:
        music = self._plan.graph.format
        path = self._plan.order.destination.folder / slot.file
        total = self._plan.total_samples
        return open_writer(path, music.sample_rate_hz, music.channels, slot.made, total)

    def _entry(self, slot: Slot, clipped_samples: int) -> ManifestEntry:
        """Measures a finished file."""
        path = self._plan.order.destination.folder / slot.file
        facts = inspect(path)
        return ManifestEntry.of(
            slot.file,
            slot.variant.name,
            slot.made,
            slot.request,
            seconds=facts.seconds,
            peak_dbfs=facts.peak_dbfs if isfinite(facts.peak_dbfs) else None,
            rms_dbfs=facts.rms_dbfs if isfinite(facts.rms_dbfs) else None,
            clipped_samples=clipped_samples,
            sha256=file_sha256(path),
        )


def _summary(
    plan: CheckedVariants,
    missing: Sequence[Slot],
    keeper: ManifestWriter,
    maker: _Maker,
    before: Stopwatch,
) -> list[str]:
    folder = plan.order.destination.folder
    lines = []
    if missing:
        each = f"{len(missing)} x {plan.seconds:g} s of audio in {maker.wall_s:.2f} s"
        speed = maker.seconds / maker.wall_s
        lines.append(f"{folder}: {each}, {speed:.2f} x real time (and before that: {before})")
    there = len(keeper.finished) - len(missing)
    if there:
        lines.append(f"{folder}: {there} were there already; --again makes them anew")
    loud = [entry.file for entry in keeper.finished if entry.clipped_samples]
    if loud:
        more = f" and {len(loud) - 3} more" if len(loud) > 3 else ""
        lines.append(f"{folder}: too loud in places, and cut off: {', '.join(loud[:3])}{more}")
    return [*lines, f"{folder / PAGE}: open it in a browser to listen"]
