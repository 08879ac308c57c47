"""The work of `soundstage variants`: make batches of rows, a file for each row, and the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from math import isfinite
from typing import TypeVar

from soundstage.apps.commands.preparation import Preparation
from soundstage.apps.commands.same_files import (
    NamedFile,
    music_inputs,
    named_files,
    refuse_inputs_as_outputs,
)
from soundstage.apps.commands.variants.audition.page import Page
from soundstage.apps.commands.variants.folder import PAGE, ManifestWriter, VariantSlot, assign_files
from soundstage.apps.commands.variants.manifest import Manifest, ManifestEntry, read_manifest
from soundstage.apps.commands.variants.variants_request import (
    CheckedVariants,
    VariantsRequest,
    check_variants,
)
from soundstage.audio.inspection import inspect
from soundstage.audio.writer import AudioWriter, open_writer
from soundstage.files import check_writable, file_sha256, making_folder
from soundstage.interrupts import uninterrupted
from soundstage.progress import Progress, Update
from soundstage.runners.offline import chunks, timeline
from soundstage.runners.recording import naming_stage
from soundstage.runners.runner import Chunk, Runner
from soundstage.runners.sessions.not_understood import WordReports
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.timeline import TimelineWriter
from soundstage.version import version

Item = TypeVar("Item")


def make_variants(request: VariantsRequest, progress: Progress) -> None:
    """Makes every variant of a request that its folder does not hold, and the page.

    Every check that needs no weights comes before the first file is touched. The files of a batch
    appear when all of them are complete. Manifest and page are written after every batch, so that
    finished variants can be heard whatever fails later.

    Raises:
        Exception: as `variants_request.check_variants` and `folder.assign_files`.
        WeightsError: weights are missing or do not fit.
        OutputError: a file cannot be written although the check passed.
        StageFailed: a stage failed.
    """
    preparation = Preparation(progress)
    folder = request.files.folder
    with progress.step("checking the pipeline"):
        checked = check_variants(request)
        manifest = read_manifest(folder)
    timeline_file = named_files({"--trace": request.files.timeline})
    refuse_inputs_as_outputs(timeline_file, _inputs(checked))
    with making_folder(folder):
        check_writable(folder / PAGE)
        if request.files.timeline is not None:
            check_writable(request.files.timeline)
        with preparation.runner(checked.graph, request.runner) as runner:
            lines = _make_missing(checked, runner, manifest, preparation, progress)
    for line in lines:
        progress.say(line)


def _make_missing(
    checked: CheckedVariants,
    runner: Runner,
    manifest: Manifest,
    preparation: Preparation,
    progress: Progress,
) -> list[str]:
    """Makes the variants that the folder does not hold; returns the summary."""
    files = checked.request.files
    slots = assign_files(checked, runner.weights(), manifest, version())
    missing = [slot for slot in slots if slot.entry is None]
    outputs = [("--output-dir", files.folder / slot.file) for slot in missing]
    refuse_inputs_as_outputs(outputs, _inputs(checked))
    parts = list(batches(missing, checked.request.batch))
    preparation.compile(runner, sorted({len(batch) for batch in parts}))
    preparation.show_note(runner.graph)
    manifest_writer = ManifestWriter(files.folder, slots, manifest)
    page = Page(files.folder / PAGE, checked.graph.name, version())
    if manifest_writer.finished:
        manifest_writer.write()
        page.write(manifest_writer.finished)
    maker = _BatchMaker(checked, runner, manifest_writer, progress.say)
    with (
        timeline(files.timeline, checked.graph) as stage_timeline,
        progress.playing(checked.seconds * len(missing)) as update,
    ):
        for batch in parts:
            manifest_writer.write(maker.make(batch, stage_timeline, update))
            page.write(manifest_writer.finished)
    lines = _summary(checked, len(missing), manifest_writer.finished, maker, preparation)
    return lines + (stage_timeline.timings.lines() if stage_timeline is not None else [])


def _inputs(checked: CheckedVariants) -> list[NamedFile]:
    request, prompts = checked.request, [p for each in checked.variants for p in each.prompts]
    inputs = music_inputs(request.choice, prompts, checked.graph, list=request.selection.rows)
    return list(dict.fromkeys(inputs))


def batches(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    """Splits items into as few batches as possible, of nearly equal size.

    There are at most two sizes, since the stages are compiled for each.

    Args:
        items: the items, in order.
        most: the largest batch.
    """
    count = -(-len(items) // most)
    for index in range(count):
        yield items[index * len(items) // count : (index + 1) * len(items) // count]


class _BatchMaker:
    """Makes the audio files of one batch after another.

    Attributes:
        seconds: seconds of audio made so far, over all variants.
        wall_s: seconds that this took, without the time between batches.
    """

    def __init__(
        self,
        checked: CheckedVariants,
        runner: Runner,
        manifest_writer: ManifestWriter,
        say: Callable[[str], None],
    ) -> None:
        self.seconds = 0.0
        self.wall_s = 0.0
        self._checked = checked
        self._runner = runner
        self._manifest_writer = manifest_writer
        self._say = say
        self._words = WordReports()

    def make(
        self, batch: Sequence[VariantSlot], stage_timeline: TimelineWriter | None, update: Update
    ) -> list[ManifestEntry]:
        """Makes one batch; its files appear when all of them are complete.

        Raises:
            StageFailed: a stage failed; none of the batch's files appears.
            OutputError: a file cannot be written although the check passed.
        """
        session = Session(self._runner, [slot.variant.changes for slot in batch])
        with ExitStack() as stack:
            writers = [stack.enter_context(self._writer(slot)) for slot in batch]
            start = time.perf_counter()
            for chunk in chunks(session, self._checked.chunks):
                # An interrupt within libsndfile would be lost.
                with uninterrupted():
                    if stage_timeline is not None:
                        stage_timeline.write(chunk)
                    self._write(chunk, writers)
                for line in self._words.lines(*chunk.not_understood):
                    self._say(line)
                now = time.perf_counter()
                self.wall_s, start = self.wall_s + now - start, now
                update(self.seconds, self.seconds / self.wall_s)
            self._manifest_writer.write()
            with uninterrupted():
                stack.close()
        return [
            self._entry(slot, writer.clipped_samples)
            for slot, writer in zip(batch, writers, strict=True)
        ]

    def _write(self, chunk: Chunk, writers: Sequence[AudioWriter]) -> None:
        left = self._checked.total_samples - writers[0].samples
        for row, writer in enumerate(writers):
            block = chunk.audio[row, :left]
            with naming_stage(chunk):
                writer.write(block)
            self.seconds += len(block) / self._checked.graph.format.sample_rate_hz

    def _writer(self, slot: VariantSlot) -> AbstractContextManager[AudioWriter]:
        format = self._checked.graph.format
        path = self._checked.request.files.folder / slot.file
        return open_writer(
            path,
            format.sample_rate_hz,
            format.channels,
            slot.provenance,
            self._checked.total_samples,
            self._checked.request.files.subtype,
        )

    def _entry(self, slot: VariantSlot, clipped_samples: int) -> ManifestEntry:
        """Measures a finished file."""
        path = self._checked.request.files.folder / slot.file
        facts = inspect(path)
        return ManifestEntry.of(
            slot.file,
            slot.variant.name,
            slot.provenance,
            slot.request_digest,
            seconds=facts.seconds,
            peak_dbfs=facts.peak_dbfs if isfinite(facts.peak_dbfs) else None,
            rms_dbfs=facts.rms_dbfs if isfinite(facts.rms_dbfs) else None,
            clipped_samples=clipped_samples,
            sha256=file_sha256(path),
        )


def _summary(
    checked: CheckedVariants,
    new: int,
    finished: Sequence[ManifestEntry],
    maker: _BatchMaker,
    preparation: Preparation,
) -> list[str]:
    folder = checked.request.files.folder
    lines = []
    if new:
        work = f"{new} x {checked.seconds:g} s of audio in {maker.wall_s:.2f} s"
        speed = maker.seconds / maker.wall_s
        lines.append(f"{folder}: {work}, {speed:.2f} x real time (before that: {preparation})")
    old = len(finished) - new
    if old:
        lines.append(f"{folder}: {old} finished earlier; --again makes them once more")
    clipped = [entry.file for entry in finished if entry.clipped_samples]
    if clipped:
        more = f" and {len(clipped) - 3} more" if len(clipped) > 3 else ""
        lines.append(f"{folder}: too loud in places, and cut off: {', '.join(clipped[:3])}{more}")
    return [*lines, f"{folder / PAGE}: open it in a browser to listen"]
